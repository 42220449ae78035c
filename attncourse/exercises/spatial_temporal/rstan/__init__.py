"""Exercises and quiz of the chapter on RSTAN."""

from attncourse.exercises.spatial_temporal.rstan.questions import (
    EXERCISES,
    QUIZ,
    SHARES,
    WHAT_MOVES,
)

__all__ = ["EXERCISES", "QUIZ", "SHARES", "WHAT_MOVES"]
