"""Experiments on graph reasoning: which operator, what the diagonal and the pyramid bring."""

from attncourse.experiments.spatial.spatial_pyramid_graph.experiment import (
    BLOBS,
    DECOYS,
    DIFFERENCE,
    EXPERIMENTS,
    NOISY_KEYS,
    SCATTERED,
)

__all__ = ["BLOBS", "DECOYS", "DIFFERENCE", "EXPERIMENTS", "NOISY_KEYS", "SCATTERED"]
