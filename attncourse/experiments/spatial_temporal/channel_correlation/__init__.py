"""Experiments on STC-Net: one that asks for the order of frames, and one that does not."""

from attncourse.experiments.spatial_temporal.channel_correlation.experiment import (
    EXPERIMENTS,
    IN_STEP,
    LONGER,
    RISING,
)

__all__ = ["EXPERIMENTS", "IN_STEP", "LONGER", "RISING"]
