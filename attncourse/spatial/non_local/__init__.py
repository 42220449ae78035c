"""The non-local block: ``module`` with its card, and the forms of f it chooses among.

``functional`` has the equations as functions of tensors and the reference, ``pairwise`` one class
a form, ``advanced`` a fast form for the processor that the chapter does not need.
"""

from attncourse.spatial.non_local.module import (
    CARD,
    NonLocal,
    hidden_width,
    multiply_adds,
    parameter_count,
    tokens,
)
from attncourse.spatial.non_local.pairwise import MODES, project

__all__ = [
    "CARD",
    "MODES",
    "NonLocal",
    "hidden_width",
    "multiply_adds",
    "parameter_count",
    "project",
    "tokens",
]
