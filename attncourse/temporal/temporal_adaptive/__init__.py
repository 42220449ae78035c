"""TAM: a gate for every frame, and one kernel over time for every channel of every clip.

``module`` is the block, ``branches`` holds its two halves, ``aggregation`` applies what they
decide, ``cost`` the closed forms.
"""

from attncourse.temporal.temporal_adaptive.aggregation import (
    aggregate,
    as_matrices,
    profile,
    temporal_adaptive_reference,
)
from attncourse.temporal.temporal_adaptive.branches import AdaptiveKernel, Importance
from attncourse.temporal.temporal_adaptive.cost import multiply_adds, parameter_count
from attncourse.temporal.temporal_adaptive.module import CARD, TemporalAdaptive

__all__ = [
    "CARD",
    "AdaptiveKernel",
    "Importance",
    "TemporalAdaptive",
    "aggregate",
    "as_matrices",
    "multiply_adds",
    "parameter_count",
    "profile",
    "temporal_adaptive_reference",
]
