"""Exercises and quiz of the chapter on CBAM, BAM and scSE."""

from attncourse.exercises.channel_spatial.convolutional_block_attention.questions import (
    EXERCISES,
    QUIZ,
)

__all__ = ["EXERCISES", "QUIZ"]
