"""Temporal attention: *when* to attend.  ``g(x)`` gives weights of frames."""

from attncourse.temporal.global_local_temporal import GlobalLocalTemporal
from attncourse.temporal.global_local_temporal.attention import TemporalSelfAttention
from attncourse.temporal.global_local_temporal.pyramid import DilatedTemporalPyramid
from attncourse.temporal.temporal_adaptive import TemporalAdaptive

__all__ = [
    "DilatedTemporalPyramid",
    "GlobalLocalTemporal",
    "TemporalAdaptive",
    "TemporalSelfAttention",
]
