"""Exercises and quiz of the chapter on Highway and SKNet."""

from attncourse.exercises.branch.selective_kernel.questions import (
    EXERCISES,
    GATE_BIAS,
    QUIZ,
    SELECTION_COUNT,
)

__all__ = [
    "EXERCISES",
    "GATE_BIAS",
    "QUIZ",
    "SELECTION_COUNT",
]
