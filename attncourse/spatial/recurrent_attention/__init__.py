"""The recurrent attention model (RAM): sensor, network, policy gradient and reference."""

from attncourse.spatial.recurrent_attention.module import (
    CARD,
    RecurrentAttention,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.recurrent_attention.policy import Glimpsed, log_density
from attncourse.spatial.recurrent_attention.sensor import read_glimpse

__all__ = [
    "CARD",
    "Glimpsed",
    "RecurrentAttention",
    "log_density",
    "multiply_adds",
    "parameter_count",
    "read_glimpse",
]
