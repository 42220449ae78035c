"""What a choice of kernels does for scale and what it follows, and what a gate does for depth."""

from attncourse.experiments.branch.selective_kernel.experiment import (
    ATTENTION_RISE,
    DEPTH,
    DEPTH_LONGER,
    EXPERIMENTS,
    INK_APART,
    REACH,
    SCALE,
    WHAT_MOVES,
)

__all__ = [
    "ATTENTION_RISE",
    "DEPTH",
    "DEPTH_LONGER",
    "EXPERIMENTS",
    "INK_APART",
    "REACH",
    "SCALE",
    "WHAT_MOVES",
]
