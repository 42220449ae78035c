"""Experiments on graph reasoning: which operator, what the diagonal and the pyramid bring."""

from attncourse.experiments.spatial.spatial_pyramid_graph.experiment import (
    BLOBS,
    BLOBS_LONGER,
    DECOYS,
    DECOYS_LONGER,
    DIFFERENCE,
    EXPERIMENTS,
    NOISY_KEYS,
    SCATTERED,
)

__all__ = [
    "BLOBS",
    "BLOBS_LONGER",
    "DECOYS",
    "DECOYS_LONGER",
    "DIFFERENCE",
    "EXPERIMENTS",
    "NOISY_KEYS",
    "SCATTERED",
]
