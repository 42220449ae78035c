"""Three experiments: what a gate does for depth, and what a choice of kernels does for scale."""

from attncourse.experiments.branch.selective_kernel.experiment import (
    ATTENTION_RISE,
    DEPTH,
    EXPERIMENTS,
    SCALE,
)

__all__ = [
    "ATTENTION_RISE",
    "DEPTH",
    "EXPERIMENTS",
    "SCALE",
]
