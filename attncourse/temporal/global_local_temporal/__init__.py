"""GLTR: a pyramid of dilated convolutions in time, then self-attention between frames."""

from attncourse.temporal.global_local_temporal.attention import (
    TemporalSelfAttention,
    inner_width,
    self_attention_reference,
    validate_frames,
)
from attncourse.temporal.global_local_temporal.module import (
    CARD,
    GlobalLocalTemporal,
    global_local_temporal_reference,
    multiply_adds,
    parameter_count,
)
from attncourse.temporal.global_local_temporal.pyramid import (
    DilatedTemporalPyramid,
    pyramid_reference,
    pyramid_width,
)

__all__ = [
    "CARD",
    "DilatedTemporalPyramid",
    "GlobalLocalTemporal",
    "TemporalSelfAttention",
    "global_local_temporal_reference",
    "inner_width",
    "multiply_adds",
    "parameter_count",
    "pyramid_reference",
    "pyramid_width",
    "self_attention_reference",
    "validate_frames",
]
