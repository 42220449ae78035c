"""Exercises and quiz of the chapter on RAM."""

from attncourse.exercises.spatial.recurrent_attention.questions import (
    BASELINE,
    BUG,
    EXERCISES,
    GRADIENTS,
    QUIZ,
    best_baseline,
)

__all__ = [
    "BASELINE",
    "BUG",
    "EXERCISES",
    "GRADIENTS",
    "QUIZ",
    "best_baseline",
]
