"""Temporal attention: *when* to attend.  ``g(x)`` gives weights of frames."""

from attncourse.temporal.global_local_temporal import GlobalLocalTemporal
from attncourse.temporal.global_local_temporal_attention import TemporalSelfAttention
from attncourse.temporal.global_local_temporal_pyramid import DilatedTemporalPyramid

__all__ = ["DilatedTemporalPyramid", "GlobalLocalTemporal", "TemporalSelfAttention"]
