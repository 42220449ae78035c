"""STC-Net: one gate for every channel of a clip, from a squeeze without time and one with it.

``module`` is the block, ``cost`` the closed forms and the allowed sizes.
"""

from attncourse.spatial_temporal.channel_correlation.cost import (
    hidden_widths,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial_temporal.channel_correlation.module import (
    CARD,
    ChannelCorrelation,
    Excitation,
    channel_correlation_reference,
    mask,
    profile,
    scale,
)

__all__ = [
    "CARD",
    "ChannelCorrelation",
    "Excitation",
    "channel_correlation_reference",
    "hidden_widths",
    "mask",
    "multiply_adds",
    "parameter_count",
    "profile",
    "scale",
]
