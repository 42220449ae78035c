"""Experiments on SCA-CNN: which object, which attribute, and who else can tell."""

from attncourse.experiments.channel_spatial.sca_cnn.experiment import (
    ALONE,
    ASKED,
    EXCHANGED,
    EXPERIMENTS,
    LONGER,
)
from attncourse.experiments.channel_spatial.sca_cnn.nets import (
    Asked,
    another,
    answer_by,
    trained,
    weights_of,
)

__all__ = [
    "ALONE", "ASKED", "EXCHANGED", "EXPERIMENTS", "LONGER", "Asked", "another", "answer_by",
    "trained", "weights_of",
]  # fmt: skip
