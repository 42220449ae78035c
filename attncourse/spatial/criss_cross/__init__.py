"""Criss-cross attention: ``module`` with its card, ``functional`` with equations and reference."""

from attncourse.spatial.criss_cross.functional import (
    as_map,
    criss_cross_reference,
    cross_map,
    cross_mask,
    gather,
)
from attncourse.spatial.criss_cross.module import (
    CARD,
    CrissCross,
    multiply_adds,
    parameter_count,
)

__all__ = [
    "CARD",
    "CrissCross",
    "as_map",
    "criss_cross_reference",
    "cross_map",
    "cross_mask",
    "gather",
    "multiply_adds",
    "parameter_count",
]
