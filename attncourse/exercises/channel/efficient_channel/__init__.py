"""Exercises and quiz of the chapter on ECA-Net."""

from attncourse.exercises.channel.efficient_channel.questions import (
    EXERCISES,
    LISTING,
    QUIZ,
    SIZES,
    WHO_MOVES,
)

__all__ = ["EXERCISES", "LISTING", "QUIZ", "SIZES", "WHO_MOVES"]
