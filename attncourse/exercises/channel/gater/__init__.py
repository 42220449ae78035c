"""Exercises and quiz of the chapter on GaterNet."""

from attncourse.exercises.channel.gater.questions import (
    EXERCISES,
    LISTING,
    NUMBERS,
    QUIZ,
    SAVED,
)

__all__ = ["EXERCISES", "LISTING", "NUMBERS", "QUIZ", "SAVED"]
