"""Exercises and quiz of the chapter on EncNet."""

from attncourse.exercises.channel.context_encoding.questions import (
    EXERCISES,
    GROWTH,
    QUIZ,
    SIGN,
)

__all__ = ["EXERCISES", "GROWTH", "QUIZ", "SIGN"]
