"""Exercises and quiz of the chapter on SCA-CNN."""

from attncourse.exercises.channel_spatial.sca_cnn.questions import (
    EXERCISES,
    FACTORS,
    MOVES,
    QUIZ,
)

__all__ = ["EXERCISES", "FACTORS", "MOVES", "QUIZ"]
