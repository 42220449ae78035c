"""Exercises and quiz of the chapter on SRM and residual SRM."""

from attncourse.exercises.channel.style_recalibration.questions import (
    EXERCISES,
    FIRST_GRADIENT,
    QUIZ,
    WHAT_MOVES,
)

__all__ = [
    "EXERCISES",
    "FIRST_GRADIENT",
    "QUIZ",
    "WHAT_MOVES",
]
