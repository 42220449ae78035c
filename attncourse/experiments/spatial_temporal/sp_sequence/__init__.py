"""Experiments on SpSequenceNet: a mode that the frame before tells, and what stood where."""

from attncourse.experiments.spatial_temporal.sp_sequence.experiment import (
    BEFORE,
    CLOSE,
    EXPERIMENTS,
    LONGER,
    MODE,
    WIDE,
)

__all__ = ["BEFORE", "CLOSE", "EXPERIMENTS", "LONGER", "MODE", "WIDE"]
