"""CBAM, BAM and scSE: ``module`` gates in turn, ``bottleneck`` and ``concurrent`` side by side."""

from attncourse.channel_spatial.convolutional_block_attention.bottleneck import CARD as BAM_CARD
from attncourse.channel_spatial.convolutional_block_attention.bottleneck import (
    BottleneckAttention,
    bottleneck_attention_reference,
)
from attncourse.channel_spatial.convolutional_block_attention.concurrent import CARD as SCSE_CARD
from attncourse.channel_spatial.convolutional_block_attention.concurrent import (
    ConcurrentSqueezeExcitation,
    concurrent_squeeze_excitation_reference,
)
from attncourse.channel_spatial.convolutional_block_attention.module import (
    CARD,
    ORDERS,
    ConvolutionalBlockAttention,
    convolutional_block_attention_reference,
    multiply_adds,
    parameter_count,
)

CARDS = (CARD, BAM_CARD, SCSE_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "ORDERS",
    "BottleneckAttention",
    "ConcurrentSqueezeExcitation",
    "ConvolutionalBlockAttention",
    "bottleneck_attention_reference",
    "concurrent_squeeze_excitation_reference",
    "convolutional_block_attention_reference",
    "multiply_adds",
    "parameter_count",
]
