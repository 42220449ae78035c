"""Spatial and temporal attention: *where and when*.  ``g(x)`` weighs places and frames."""

from attncourse.spatial_temporal.channel_correlation import ChannelCorrelation
from attncourse.spatial_temporal.rstan import RecurrentSpatialTemporal
from attncourse.spatial_temporal.sp_sequence import (
    CrossFrameGlobalAttention,
    CrossFrameLocalInterpolation,
)
from attncourse.spatial_temporal.sta_lstm import SpatioTemporalLSTM

__all__ = [
    "ChannelCorrelation",
    "CrossFrameGlobalAttention",
    "CrossFrameLocalInterpolation",
    "RecurrentSpatialTemporal",
    "SpatioTemporalLSTM",
]
