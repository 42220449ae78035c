"""Experiments on TAM: one that its kernels decide, and one that its gates answer."""

from attncourse.experiments.temporal.temporal_adaptive.experiment import (
    BEFORE_THE_FLASH,
    EXPERIMENTS,
    RUN_BACKWARDS,
    by_kind,
)

__all__ = ["BEFORE_THE_FLASH", "EXPERIMENTS", "RUN_BACKWARDS", "by_kind"]
