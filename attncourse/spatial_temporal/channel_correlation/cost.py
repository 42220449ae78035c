"""What STC's block costs, in closed form, and which sizes and clips it allows."""

from __future__ import annotations

from torch import Tensor

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


def validate_clips(x: Tensor, channels: int, frames: int) -> None:
    """Raise a ``ValueError`` unless ``x`` is (b, channels, frames, h, w) with positions."""
    if x.ndim != 5:
        remedy = (
            f"split the batch with x.unflatten(0, (-1, {frames})).movedim(1, 2)"
            if x.ndim == 4 and x.shape[1] == channels
            else "add a batch axis with x[None]" if x.ndim == 4 else "reshape it to five axes"
        )  # fmt: skip
        raise ValueError(
            f"x must have the shape (b, c, t, h, w), got {x.ndim} axes {tuple(x.shape)}: {remedy}"
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"x has {x.shape[1]} channels (shape {tuple(x.shape)}), but this block was built for "
            f"channels={channels}: build it with channels={x.shape[1]}, or, if time comes before "
            f"the channels, pass x.movedim(1, 2)"
        )
    if x.shape[2] != frames:
        raise ValueError(
            f"x has {x.shape[2]} frames (shape {tuple(x.shape)}), but this block was built for "
            f"frames={frames}: the branch that keeps time has a weight for every channel of every "
            f"frame; build it with frames={x.shape[2]}, or sample {frames} frames of the clip"
        )
    if x.shape[3] == 0 or x.shape[4] == 0:
        raise ValueError(
            f"x has no positions (shape {tuple(x.shape)}): its mean is undefined; "
            f"pass at least one row and one column"
        )
