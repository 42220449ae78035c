"""Exercises and quiz of the chapter on Squeeze-and-Excitation."""

from attncourse.exercises.channel.squeeze_excitation.questions import (
    EXERCISES,
    LAST_STAGE,
    QUIZ,
    SQUEEZE_FOR_ROW,
    se_weights,
)

__all__ = [
    "EXERCISES",
    "LAST_STAGE",
    "QUIZ",
    "SQUEEZE_FOR_ROW",
    "se_weights",
]
