"""Experiments on sampled keys: what a mean over a cell brings, and to things of which size."""

from attncourse.experiments.spatial.asymmetric_non_local.experiment import (
    DIGITS,
    EXPERIMENTS,
    PATCHES,
    PIXELS,
    SHIFTED,
)

__all__ = ["DIGITS", "EXPERIMENTS", "PATCHES", "PIXELS", "SHIFTED"]
