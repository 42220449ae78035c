"""Experiments on GLTR: one for each of its halves, and one on recorded movements."""

from attncourse.experiments.temporal.global_local_temporal.experiment import (
    CUE_RECALL,
    EXPERIMENTS,
    MSR_ACTION3D,
    WHICH_LAG,
)

__all__ = [
    "CUE_RECALL",
    "EXPERIMENTS",
    "MSR_ACTION3D",
    "WHICH_LAG",
]
