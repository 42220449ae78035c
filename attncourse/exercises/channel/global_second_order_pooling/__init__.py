"""Exercises and quiz of the chapter on GSoP."""

from attncourse.exercises.channel.global_second_order_pooling.questions import (
    EXERCISES,
    QUIZ,
    STEPS,
    WRONG_SIZE,
)

__all__ = ["EXERCISES", "QUIZ", "STEPS", "WRONG_SIZE"]
