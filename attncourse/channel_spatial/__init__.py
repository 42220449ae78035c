"""Channel and spatial attention: *what and where*.  ``g(x)`` weighs channels and positions."""

from attncourse.channel_spatial.dual_attention import (
    ChannelAttention,
    DualAttention,
    PositionAttention,
)

__all__ = ["ChannelAttention", "DualAttention", "PositionAttention"]
