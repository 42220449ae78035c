"""Exercises and quiz of the chapter on the vision transformer."""

from attncourse.exercises.spatial.vision_transformer.questions import (
    EXERCISES,
    LISTING,
    QUIZ,
    SIZES,
    WHO_NOTICES,
)

__all__ = ["EXERCISES", "LISTING", "QUIZ", "SIZES", "WHO_NOTICES"]
