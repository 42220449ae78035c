"""SCA-CNN: a question decides which positions and which channels of a map count.

``module`` is the block and its card, ``reference`` the block in plain loops.
"""

from attncourse.channel_spatial.sca_cnn.module import (
    CARD,
    ORDERS,
    SpatialChannelAttention,
    multiply_adds,
    parameter_count,
    rescaled,
)
from attncourse.channel_spatial.sca_cnn.reference import sca_cnn_reference

__all__ = [
    "CARD",
    "ORDERS",
    "SpatialChannelAttention",
    "multiply_adds",
    "parameter_count",
    "rescaled",
    "sca_cnn_reference",
]
