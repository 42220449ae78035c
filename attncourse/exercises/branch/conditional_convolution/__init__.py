"""Exercises and quiz of the chapter on CondConv and dynamic convolution."""

from attncourse.exercises.branch.conditional_convolution.questions import (
    EXERCISES,
    OVERHEAD,
    QUIZ,
    WHAT_MOVES,
)

__all__ = ["EXERCISES", "OVERHEAD", "QUIZ", "WHAT_MOVES"]
