"""Exercises and quiz of the chapter on GCNet."""

from attncourse.exercises.spatial.global_context.questions import (
    COSTS,
    EXERCISES,
    LISTING,
    QUIZ,
    WHO_MOVES,
)

__all__ = ["COSTS", "EXERCISES", "LISTING", "QUIZ", "WHO_MOVES"]
