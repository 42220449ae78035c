"""EncNet: gates from a codebook of residuals, and a loss that asks which classes are there."""

from attncourse.channel.context_encoding.codebook import (
    assign,
    encode,
    encode_gradients,
    residual_sums,
    squared_distances,
)
from attncourse.channel.context_encoding.module import (
    CARD,
    ContextEncoding,
    multiply_adds,
    parameter_count,
)
from attncourse.channel.context_encoding.presence import (
    PresenceHead,
    classes_present,
    presence_loss,
)
from attncourse.channel.context_encoding.reference import context_encoding_reference

__all__ = [
    "CARD",
    "ContextEncoding",
    "PresenceHead",
    "assign",
    "classes_present",
    "context_encoding_reference",
    "encode",
    "encode_gradients",
    "multiply_adds",
    "parameter_count",
    "presence_loss",
    "residual_sums",
    "squared_distances",
]
