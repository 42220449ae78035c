"""Experiments on RAM and DRAM: who learns where to look, and which of their parts it takes."""

from attncourse.experiments.spatial.recurrent_attention.experiment import (
    CUE_AND_LOOK,
    EXPERIMENTS,
    WIDER,
    Learner,
    best_hit,
    loss,
    pathwise,
    sampled_hit,
)
from attncourse.experiments.spatial.recurrent_attention.nets import (
    HardCrop,
    HardCropPathwise,
    Pathwise,
    StraightThrough,
    WholeImage,
    dram,
    ram,
    whole_pixels,
)

__all__ = [
    "CUE_AND_LOOK",
    "EXPERIMENTS",
    "WIDER",
    "HardCrop",
    "HardCropPathwise",
    "Learner",
    "Pathwise",
    "StraightThrough",
    "WholeImage",
    "best_hit",
    "dram",
    "loss",
    "pathwise",
    "ram",
    "sampled_hit",
    "whole_pixels",
]
