"""RSTAN: look over the whole clip at every step of an LSTM, at places and at frames.

``module`` is the network and its card, ``scorers`` the two softmaxes, ``losses`` what is done with
their weights and with the scores of the steps, ``costs`` the closed forms, ``reference`` the
network in plain loops.
"""

from attncourse.spatial_temporal.rstan.costs import (
    multiply_adds,
    parameter_count,
    validate_clips,
)
from attncourse.spatial_temporal.rstan.losses import (
    actor_penalty,
    clip_prediction,
    joint_weights,
    spread,
)
from attncourse.spatial_temporal.rstan.module import CARD, RecurrentSpatialTemporal, Told
from attncourse.spatial_temporal.rstan.reference import rstan_reference

__all__ = [
    "CARD",
    "RecurrentSpatialTemporal",
    "Told",
    "actor_penalty",
    "clip_prediction",
    "joint_weights",
    "multiply_adds",
    "parameter_count",
    "rstan_reference",
    "spread",
    "validate_clips",
]
