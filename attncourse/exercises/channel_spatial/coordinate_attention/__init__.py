"""Exercises and quiz of the chapter on coordinate attention, triplet attention and SimAM."""

from attncourse.exercises.channel_spatial.coordinate_attention.questions import EXERCISES, QUIZ

__all__ = ["EXERCISES", "QUIZ"]
