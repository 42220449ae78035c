"""Exercises and quiz of the chapter that compares the mechanisms."""

from attncourse.exercises.closing.choosing.questions import EXERCISES, FALSE_ALARMS, NOTICED, QUIZ

__all__ = ["EXERCISES", "FALSE_ALARMS", "NOTICED", "QUIZ"]
