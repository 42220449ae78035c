"""Exercises and quiz of the chapter on the four terms."""

from attncourse.exercises.spatial.four_terms.questions import (
    COUNT,
    EXERCISES,
    HALF,
    QUIZ,
    WHICH,
)

__all__ = ["COUNT", "EXERCISES", "HALF", "QUIZ", "WHICH"]
