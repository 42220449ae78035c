"""Exercises and quiz of the chapter on GLTR."""

from attncourse.exercises.temporal.global_local_temporal.questions import (
    EXERCISES,
    LAG_ACCURACY,
    QUIZ,
    WHO_SEES,
    lag_accuracy,
)

__all__ = [
    "EXERCISES",
    "LAG_ACCURACY",
    "QUIZ",
    "WHO_SEES",
    "lag_accuracy",
]
