"""Two mechanisms of one chapter: the recurrent attention model RAM, and its deep form DRAM.

``module`` is RAM and its card, ``deep`` is DRAM, ``cost`` their closed forms, ``sensor`` what
reads a glimpse, ``policy`` what trains where to look, ``reference`` both models in plain loops.
"""

from attncourse.spatial.recurrent_attention.cost import (
    deep_multiply_adds,
    deep_parameter_count,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.recurrent_attention.deep import CARD as DEEP_CARD
from attncourse.spatial.recurrent_attention.deep import DeepRecurrentAttention
from attncourse.spatial.recurrent_attention.module import CARD, RecurrentAttention
from attncourse.spatial.recurrent_attention.policy import Glimpsed, log_density
from attncourse.spatial.recurrent_attention.sensor import read_glimpse

CARDS = (CARD, DEEP_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "DEEP_CARD",
    "DeepRecurrentAttention",
    "Glimpsed",
    "RecurrentAttention",
    "deep_multiply_adds",
    "deep_parameter_count",
    "log_density",
    "multiply_adds",
    "parameter_count",
    "read_glimpse",
]
