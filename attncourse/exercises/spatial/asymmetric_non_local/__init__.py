"""Exercises and quiz of the chapter on asymmetric non-local blocks."""

from attncourse.exercises.spatial.asymmetric_non_local.questions import (
    EXERCISES,
    LISTING,
    QUIZ,
    SAVED,
)

__all__ = ["EXERCISES", "LISTING", "QUIZ", "SAVED"]
