"""Exercises and quiz of the chapter on DANet."""

from attncourse.exercises.channel_spatial.dual_attention.questions import (
    EXERCISES,
    QUIZ,
    RESOLUTION,
    TURNED_LINE,
    growth,
)

__all__ = [
    "EXERCISES",
    "QUIZ",
    "RESOLUTION",
    "TURNED_LINE",
    "growth",
]
