"""Exercises and quiz of the chapter on the building blocks."""

from attncourse.exercises.foundations.building_blocks.questions import (
    EXERCISES,
    LEAKY_SCALE,
    QUIZ,
    WHICH_ORDER,
)

__all__ = [
    "EXERCISES",
    "LEAKY_SCALE",
    "QUIZ",
    "WHICH_ORDER",
]
