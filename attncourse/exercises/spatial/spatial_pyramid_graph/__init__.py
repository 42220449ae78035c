"""Exercises and quiz of the chapter on spatial pyramid graph reasoning."""

from attncourse.exercises.spatial.spatial_pyramid_graph.questions import (
    EXERCISES,
    LISTING,
    MULTIPLIED,
    QUIZ,
    SPECTRUM,
)

__all__ = ["EXERCISES", "LISTING", "MULTIPLIED", "QUIZ", "SPECTRUM"]
