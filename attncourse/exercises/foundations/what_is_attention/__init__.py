"""Exercises and quiz of the chapter on what attention is."""

from attncourse.exercises.foundations.what_is_attention.questions import (
    EXERCISES,
    QUIZ,
    SPREAD,
    score_spread,
    uniform_variance,
)

__all__ = [
    "EXERCISES",
    "QUIZ",
    "SPREAD",
    "score_spread",
    "uniform_variance",
]
