"""Experiments on dual attention: a scene that asks for its whole, and real road scenes."""

from attncourse.experiments.channel_spatial.dual_attention.experiment import (
    CAMVID,
    CAMVID_LARGE,
    DISCS_LONGER,
    EXPERIMENTS,
    FIND_YOUR_TWIN,
    LARGE,
    REFERENCE_DISCS,
    discs_loss,
)

__all__ = [
    "CAMVID",
    "CAMVID_LARGE",
    "DISCS_LONGER",
    "EXPERIMENTS",
    "FIND_YOUR_TWIN",
    "LARGE",
    "REFERENCE_DISCS",
    "discs_loss",
]
