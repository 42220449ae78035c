"""SpSequenceNet: two frames of points, read through a gate and through nearest points.

``guidance`` is CGA, a gate from the frame before; ``interpolation`` is CLI, its nearest points.
"""

from attncourse.spatial_temporal.sp_sequence.guidance import (
    CARD,
    CrossFrameGlobalAttention,
    global_attention_reference,
    scale,
)
from attncourse.spatial_temporal.sp_sequence.interpolation import CARD as INTERPOLATION_CARD
from attncourse.spatial_temporal.sp_sequence.interpolation import (
    CrossFrameLocalInterpolation,
    cone,
    interpolate,
    local_interpolation_reference,
    nearest,
    taken,
)

CARDS = (CARD, INTERPOLATION_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "CrossFrameGlobalAttention",
    "CrossFrameLocalInterpolation",
    "cone",
    "global_attention_reference",
    "interpolate",
    "local_interpolation_reference",
    "nearest",
    "scale",
    "taken",
]
