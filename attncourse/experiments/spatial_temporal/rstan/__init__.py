"""Experiments on RSTAN: who follows a chain of frames, where it looks, and how far it goes on."""

from attncourse.experiments.spatial_temporal.rstan.experiment import (
    EXPERIMENTS,
    FOLLOW_THE_CHAIN,
    FURTHER_ON,
    WHERE_IT_LOOKS,
    looks_of,
    loss,
    told_of,
)
from attncourse.experiments.spatial_temporal.rstan.nets import Follower

__all__ = [
    "EXPERIMENTS",
    "FOLLOW_THE_CHAIN",
    "FURTHER_ON",
    "WHERE_IT_LOOKS",
    "Follower",
    "looks_of",
    "loss",
    "told_of",
]
