"""Exercises and quiz of the chapter on SpSequenceNet."""

from attncourse.exercises.spatial_temporal.sp_sequence.questions import (
    CEILINGS,
    EXERCISES,
    METRES,
    QUIZ,
    READS,
    ceilings,
    metres,
)

__all__ = ["CEILINGS", "EXERCISES", "METRES", "QUIZ", "READS", "ceilings", "metres"]
