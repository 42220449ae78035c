"""Experiments on the vision transformer: what it can that a bag cannot, order, and heads."""

from attncourse.experiments.spatial.vision_transformer.by_hand import one_layer_by_hand
from attncourse.experiments.spatial.vision_transformer.experiment import (
    EXPERIMENTS,
    GLYPH,
    HEADS,
    LONGER,
    SAME,
    SHUFFLED,
)

__all__ = ["EXPERIMENTS", "GLYPH", "HEADS", "LONGER", "SAME", "SHUFFLED", "one_layer_by_hand"]
