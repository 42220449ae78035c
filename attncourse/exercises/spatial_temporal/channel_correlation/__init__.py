"""Exercises and quiz of the chapter on STC-Net."""

from attncourse.exercises.spatial_temporal.channel_correlation.questions import (
    CONTRAST,
    ENDS,
    EXERCISES,
    HEARS,
    QUIZ,
    contrasts,
    heard_at_the_ends,
)

__all__ = ["CONTRAST", "ENDS", "EXERCISES", "HEARS", "QUIZ", "contrasts", "heard_at_the_ends"]
