"""Exercises and quiz of the chapter on non-local networks."""

from attncourse.exercises.spatial.non_local.questions import (
    ANY_SOURCE,
    EXERCISES,
    FORMS,
    OTHER_ORDER,
    QUIZ,
)

__all__ = [
    "ANY_SOURCE",
    "EXERCISES",
    "FORMS",
    "OTHER_ORDER",
    "QUIZ",
]
