"""What a selective kernel costs, in closed form: equations (12) and (13) of the chapter."""

from __future__ import annotations

from collections.abc import Sequence

from attncourse.layers import whole

#: Weights of a 3x3 kernel, whatever its dilation.
_TAPS = 9


def hidden_width(channels: int, reduction: int = 16, min_hidden: int = 32) -> int:
    """Number of hidden units d: ``channels // reduction``, but no fewer than ``min_hidden``."""
    whole(reduction=reduction, min_hidden=min_hidden)
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    if min_hidden < 1:
        raise ValueError(f"min_hidden={min_hidden} must be at least 1")
    return max(channels // reduction, min_hidden)


def parameter_count(
    channels: int,
    reduction: int = 16,
    *,
    dilations: Sequence[int] = (1, 2),
    groups: int = 32,
    min_hidden: int = 32,
    stride: int = 1,
) -> int:
    """Learned parameters: k (9 c² / G + 2 c) in the branches, c d + 2 d + k c d to select."""
    del stride  # It changes how often a kernel is applied, not the kernel.
    k, hidden = len(dilations), hidden_width(channels, reduction, min_hidden)
    branches = k * (_TAPS * channels * channels // groups + 2 * channels)
    return branches + (1 + k) * channels * hidden + 2 * hidden


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 16,
    *,
    dilations: Sequence[int] = (1, 2),
    groups: int = 32,
    min_hidden: int = 32,
    stride: int = 1,
) -> int:
    """Multiply-adds for one image: k (9 c / G + 2) c for each position, (1 + k) c d to select."""
    k, hidden = len(dilations), hidden_width(channels, reduction, min_hidden)
    positions = -(-height // stride) * -(-width // stride)
    per_position = k * channels * (_TAPS * channels // groups + 2)
    return per_position * positions + (1 + k) * channels * hidden
