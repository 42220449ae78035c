"""Experiments on SCA-CNN: which object, which attribute, and who else can tell."""

from attncourse.experiments.channel_spatial.sca_cnn.experiment import (
    ASKED,
    EXPERIMENTS,
)
from attncourse.experiments.channel_spatial.sca_cnn.nets import (
    Asked,
    another,
    answer_by,
    asked_apart,
    trained,
    weights_of,
)

__all__ = [
    "ASKED", "EXPERIMENTS", "Asked", "another", "answer_by", "asked_apart",
    "trained", "weights_of",
]  # fmt: skip
