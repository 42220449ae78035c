"""Exercises and quiz of the chapter on deformable convolution."""

from attncourse.exercises.spatial.deformable_convolution.questions import (
    EXERCISES,
    QUIZ,
    first_slopes,
)

__all__ = ["EXERCISES", "QUIZ", "first_slopes"]
