"""Channel and spatial attention: *what and where*.  ``g(x)`` weighs channels and positions."""

from attncourse.channel_spatial.dual_attention import (
    DualAttention,
    DualChannelAttention,
    DualPositionAttention,
)
from attncourse.channel_spatial.sca_cnn import SpatialChannelAttention

__all__ = [
    "DualAttention",
    "DualChannelAttention",
    "DualPositionAttention",
    "SpatialChannelAttention",
]
