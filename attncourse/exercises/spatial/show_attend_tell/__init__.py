"""Exercises and quiz of the chapter on hard and soft attention."""

from attncourse.exercises.spatial.show_attend_tell.questions import (
    EXERCISES,
    PENALTY,
    QUIZ,
    WHAT_MOVES,
)

__all__ = ["EXERCISES", "PENALTY", "QUIZ", "WHAT_MOVES"]
