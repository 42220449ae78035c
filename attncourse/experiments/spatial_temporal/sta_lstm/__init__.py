"""Experiments on STA-LSTM: a task that needs the joint gate, and two sets of real skeletons."""

from attncourse.experiments.spatial_temporal.sta_lstm.experiment import (
    CUED_JOINT,
    EXPERIMENTS,
    MORE_CLIPS,
    MSR_ACTION3D,
    UTKINECT,
    FoldedExperiment,
    loss,
)

__all__ = [
    "CUED_JOINT",
    "EXPERIMENTS",
    "MORE_CLIPS",
    "MSR_ACTION3D",
    "UTKINECT",
    "FoldedExperiment",
    "loss",
]
