"""Exercises and quiz of the chapter on Gather-Excite."""

from attncourse.exercises.channel.gather_excite.questions import (
    EXERCISES,
    LISTING,
    QUIZ,
    WHO_MOVES,
)

__all__ = ["EXERCISES", "LISTING", "QUIZ", "WHO_MOVES"]
