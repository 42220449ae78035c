"""Exercises and quiz of the chapter on criss-cross attention."""

from attncourse.exercises.spatial.criss_cross.questions import (
    EXERCISES,
    LISTING,
    QUIZ,
    WAYS,
    WHO_NOTICES,
)

__all__ = ["EXERCISES", "LISTING", "QUIZ", "WAYS", "WHO_NOTICES"]
