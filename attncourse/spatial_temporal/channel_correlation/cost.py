"""What STC's block costs, in closed form, and which sizes and clips it allows."""

from __future__ import annotations

from attncourse.channel.squeeze_excitation import hidden_width
from attncourse.layers import positive


def hidden_widths(channels: int, frames: int = 8, reduction: int = 16) -> tuple[int, int]:
    """Hidden units of the two branches, ``c // r`` and ``c t // r``; raises below 1."""
    positive(frames=frames)
    return hidden_width(channels, reduction), frames * channels // reduction


def parameter_count(
    channels: int, frames: int = 8, reduction: int = 16, *, bias: bool = False
) -> int:
    """Learned parameters: 2 c d without time, (t + 1) c e with it, and d + e + 2 c biases."""
    d, e = hidden_widths(channels, frames, reduction)
    weights = 2 * channels * d + (frames + 1) * channels * e
    return weights + (d + e + 2 * channels if bias else 0)


def multiply_adds(
    t: int,
    height: int,
    width: int,
    channels: int,
    frames: int = 8,
    reduction: int = 16,
    *,
    bias: bool = False,
) -> int:
    """Multiply-adds for one clip of ``frames`` frames, which is what t must be.

    2 c d + (t + 1) c e to decide, one pass over the clip to squeeze and one to scale, and c t for
    the mean over time.
    """
    del t, bias  # A bias costs additions that no convention counts.
    d, e = hidden_widths(channels, frames, reduction)
    decided = 2 * channels * d + (frames + 1) * channels * e
    return decided + 2 * channels * frames * height * width + channels * frames
