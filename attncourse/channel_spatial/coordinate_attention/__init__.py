"""Gates from rows and columns (``module``), from three views (``triplet``), from one energy."""

from attncourse.channel_spatial.coordinate_attention.energy import CARD as SIMAM_CARD
from attncourse.channel_spatial.coordinate_attention.energy import (
    SimpleAttention,
    least_energy,
    simple_attention_reference,
)
from attncourse.channel_spatial.coordinate_attention.module import (
    CARD,
    CoordinateAttention,
    coordinate_attention_reference,
    multiply_adds,
    parameter_count,
)
from attncourse.channel_spatial.coordinate_attention.triplet import CARD as TRIPLET_CARD
from attncourse.channel_spatial.coordinate_attention.triplet import (
    TripletAttention,
    triplet_attention_reference,
    triplet_parameters,
)

CARDS = (CARD, TRIPLET_CARD, SIMAM_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "CoordinateAttention",
    "SimpleAttention",
    "TripletAttention",
    "coordinate_attention_reference",
    "least_energy",
    "multiply_adds",
    "parameter_count",
    "simple_attention_reference",
    "triplet_attention_reference",
    "triplet_parameters",
]
