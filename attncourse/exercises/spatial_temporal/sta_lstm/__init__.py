"""Exercises and quiz of the chapter on STA-LSTM."""

from attncourse.exercises.spatial_temporal.sta_lstm.questions import (
    EXERCISES,
    NORMALISER,
    PENALTY_RANGE,
    QUIZ,
)

__all__ = [
    "EXERCISES",
    "NORMALISER",
    "PENALTY_RANGE",
    "QUIZ",
]
