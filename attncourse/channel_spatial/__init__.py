"""Channel and spatial attention: *what and where*.  ``g(x)`` weighs channels and positions."""

from attncourse.channel_spatial.convolutional_block_attention import (
    BottleneckAttention,
    ConcurrentSqueezeExcitation,
    ConvolutionalBlockAttention,
)
from attncourse.channel_spatial.coordinate_attention import (
    CoordinateAttention,
    SimpleAttention,
    TripletAttention,
)
from attncourse.channel_spatial.dual_attention import (
    DualAttention,
    DualChannelAttention,
    DualPositionAttention,
)
from attncourse.channel_spatial.sca_cnn import SpatialChannelAttention

__all__ = [
    "BottleneckAttention",
    "ConcurrentSqueezeExcitation",
    "ConvolutionalBlockAttention",
    "CoordinateAttention",
    "DualAttention",
    "DualChannelAttention",
    "DualPositionAttention",
    "SimpleAttention",
    "SpatialChannelAttention",
    "TripletAttention",
]
