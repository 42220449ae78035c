"""Two mechanisms of one chapter: highway networks and selective kernel networks.

``module`` is the selective kernel unit and its card, ``cost`` its closed forms, ``highway`` the
gated layer that opens the chapter.  Both mix branches: the highway layer by a gate T and its rest
1 - T, the selective kernel by a softmax.
"""

from attncourse.branch.selective_kernel.cost import hidden_width, multiply_adds, parameter_count
from attncourse.branch.selective_kernel.highway import CARD as HIGHWAY_CARD
from attncourse.branch.selective_kernel.highway import Highway
from attncourse.branch.selective_kernel.module import (
    CARD,
    SelectiveKernel,
    fuse,
    mix,
    select,
    selective_kernel_reference,
)
from attncourse.layers import as_affine

CARDS = (CARD, HIGHWAY_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "Highway",
    "SelectiveKernel",
    "as_affine",
    "fuse",
    "hidden_width",
    "mix",
    "multiply_adds",
    "parameter_count",
    "select",
    "selective_kernel_reference",
]
