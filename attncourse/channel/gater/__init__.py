"""GaterNet: a second network looks first and switches filters of the first one on or off.

``module`` is the block and the network that decides, ``gates`` the discretisation with its
estimator, ``reference`` the loops, ``cost`` the closed forms.
"""

from attncourse.channel.gater.cost import backbone_multiply_adds, gater_multiply_adds
from attncourse.channel.gater.gates import (
    SATURATION,
    discretise,
    estimator_mean,
    on_probability,
    saturating_sigmoid,
    share_on,
    true_slope,
)
from attncourse.channel.gater.module import CARD, Gater, GaterNet
from attncourse.channel.gater.reference import gater_reference, parts_of

__all__ = [
    "CARD",
    "SATURATION",
    "Gater",
    "GaterNet",
    "backbone_multiply_adds",
    "discretise",
    "estimator_mean",
    "gater_multiply_adds",
    "gater_reference",
    "on_probability",
    "parts_of",
    "saturating_sigmoid",
    "share_on",
    "true_slope",
]
