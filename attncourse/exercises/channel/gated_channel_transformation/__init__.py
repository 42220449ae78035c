"""Exercises and quiz of the chapter on GCT."""

from attncourse.exercises.channel.gated_channel_transformation.questions import (
    EXERCISES,
    HOW_LOUD,
    QUIZ,
    WHO_NOTICES,
)

__all__ = ["EXERCISES", "HOW_LOUD", "QUIZ", "WHO_NOTICES"]
