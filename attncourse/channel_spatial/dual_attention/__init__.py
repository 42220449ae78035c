"""Dual attention network (DANet): ``module`` adds the branches of ``position`` and ``channel``."""

from attncourse.channel_spatial.dual_attention.channel import CARD as CHANNEL_CARD
from attncourse.channel_spatial.dual_attention.channel import (
    DualChannelAttention,
    channel_attention_reference,
    channel_map,
    channel_multiply_adds,
)
from attncourse.channel_spatial.dual_attention.module import (
    CARD,
    DualAttention,
    dual_attention_reference,
    multiply_adds,
    parameter_count,
)
from attncourse.channel_spatial.dual_attention.position import CARD as POSITION_CARD
from attncourse.channel_spatial.dual_attention.position import (
    DualPositionAttention,
    position_attention_reference,
    position_map,
    position_multiply_adds,
    position_parameters,
)

CARDS = (CARD, POSITION_CARD, CHANNEL_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "DualAttention",
    "DualChannelAttention",
    "DualPositionAttention",
    "channel_attention_reference",
    "channel_map",
    "channel_multiply_adds",
    "dual_attention_reference",
    "multiply_adds",
    "parameter_count",
    "position_attention_reference",
    "position_map",
    "position_multiply_adds",
    "position_parameters",
]
