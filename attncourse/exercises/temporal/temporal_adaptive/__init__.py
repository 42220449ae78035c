"""Exercises and quiz of the chapter on TAM."""

from attncourse.exercises.temporal.temporal_adaptive.questions import (
    CEILINGS,
    EXERCISES,
    QUIZ,
    READS,
    ceilings,
)

__all__ = ["CEILINGS", "EXERCISES", "QUIZ", "READS", "ceilings"]
