"""Exercises and quiz of the chapter on spatial transformers."""

from attncourse.exercises.spatial.spatial_transformer.questions import (
    EXERCISES,
    QUIZ,
    SLOPES,
    slopes,
)

__all__ = [
    "EXERCISES",
    "QUIZ",
    "SLOPES",
    "slopes",
]
