"""STA-LSTM: gates of joints and of frames, their losses, their closed forms and the reference."""

from attncourse.spatial_temporal.sta_lstm.costs import (
    check_sizes,
    multiply_adds,
    parameter_count,
    validate_clips,
)
from attncourse.spatial_temporal.sta_lstm.memory import Memory, before, lstm
from attncourse.spatial_temporal.sta_lstm.module import (
    CARD,
    SpatioTemporalLSTM,
    frame_gates,
    gated,
    joint_gates,
    weighted_readout,
)

__all__ = [
    "CARD",
    "Memory",
    "SpatioTemporalLSTM",
    "before",
    "check_sizes",
    "frame_gates",
    "gated",
    "joint_gates",
    "lstm",
    "multiply_adds",
    "parameter_count",
    "validate_clips",
    "weighted_readout",
]
