"""Exercises and quiz of the chapter on FcaNet."""

from attncourse.exercises.channel.frequency_channel.questions import (
    EXERCISES,
    FACTORS,
    FLIPS,
    MIRRORED_CUE,
    QUIZ,
)

__all__ = ["EXERCISES", "FACTORS", "FLIPS", "MIRRORED_CUE", "QUIZ"]
