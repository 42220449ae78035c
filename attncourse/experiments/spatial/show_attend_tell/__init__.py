"""Experiments on hard and soft attention: who reads in order, where it looks, and why."""

from attncourse.experiments.spatial.show_attend_tell.experiment import (
    EXPERIMENTS,
    READ_THE_GRID,
    WHERE_IT_LOOKS,
    looks_right,
    loss,
    told_of,
    weight_right,
    words_right,
)
from attncourse.experiments.spatial.show_attend_tell.nets import Encoder, Learner

__all__ = [
    "EXPERIMENTS",
    "READ_THE_GRID",
    "WHERE_IT_LOOKS",
    "Encoder",
    "Learner",
    "looks_right",
    "loss",
    "told_of",
    "weight_right",
    "words_right",
]
