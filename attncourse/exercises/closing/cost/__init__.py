"""Exercises and quiz of the chapter on cost."""

from attncourse.exercises.closing.cost.questions import (
    CROSSOVER,
    EXERCISES,
    LISTING,
    QUIZ,
    TIMING,
    WHAT_BINDS,
)

__all__ = ["CROSSOVER", "EXERCISES", "LISTING", "QUIZ", "TIMING", "WHAT_BINDS"]
