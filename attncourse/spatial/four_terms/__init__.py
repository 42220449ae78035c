"""The four terms of spatial attention: ``module`` with its card, ``functional`` with the fast form
and the reference, ``frame`` for what else is attention, ``cost`` for what it costs.
"""

from attncourse.spatial.four_terms.cost import multiply_adds, parameter_count
from attncourse.spatial.four_terms.frame import (
    conv_as_heads,
    heads_as_conv,
    places_as_weights,
    read_by_heads,
    shares_as_weights,
)
from attncourse.spatial.four_terms.functional import (
    Lines,
    along_lines,
    four_terms_reference,
    fused_read,
    relative_code,
    relative_scores,
)
from attncourse.spatial.four_terms.module import CARD, NAMES, FourTerms

__all__ = [
    "CARD",
    "NAMES",
    "FourTerms",
    "Lines",
    "along_lines",
    "conv_as_heads",
    "four_terms_reference",
    "fused_read",
    "heads_as_conv",
    "multiply_adds",
    "parameter_count",
    "places_as_weights",
    "read_by_heads",
    "relative_code",
    "relative_scores",
    "shares_as_weights",
]
