"""In turn or side by side; the mean or the largest; the whole picture or each pixel."""

from attncourse.experiments.channel_spatial.convolutional_block_attention.experiment import (
    BRANCHES,
    EXPERIMENTS,
    STATISTICS,
)

__all__ = ["BRANCHES", "EXPERIMENTS", "STATISTICS"]
