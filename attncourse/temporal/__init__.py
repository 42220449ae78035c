"""Temporal attention: *when* to attend.  ``g(x)`` gives weights of frames."""

from attncourse.temporal.global_local_temporal import GlobalLocalTemporal
from attncourse.temporal.global_local_temporal.attention import TemporalSelfAttention
from attncourse.temporal.global_local_temporal.pyramid import DilatedTemporalPyramid

__all__ = ["DilatedTemporalPyramid", "GlobalLocalTemporal", "TemporalSelfAttention"]
