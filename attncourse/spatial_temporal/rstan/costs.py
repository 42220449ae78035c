"""RSTAN: which sizes fit, and what they cost in closed form."""

from __future__ import annotations

from torch import Tensor


def validate_clips(x: Tensor, channels: int) -> None:
    """Raise a ``ValueError`` unless ``x`` is (b, channels, t, h, w) with a frame and a position."""
    shape = tuple(x.shape)
    if x.ndim != 5:
        remedy = "add a batch axis with x[None]" if x.ndim == 4 else "reshape it to five axes"
        raise ValueError(
            f"x must have the shape (b, c, t, h, w), got {x.ndim} axes {shape}: {remedy}"
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"x has {x.shape[1]} channels (shape {shape}), but this network was built for "
            f"channels={channels}: build it with channels={x.shape[1]}, or move the channel axis "
            f"to position 1 with x.movedim(2, 1)"
        )
    if x.shape[2] == 0:
        raise ValueError(f"x has no frames (shape {shape}): pass at least one frame a clip")
    if x.shape[3] == 0 or x.shape[4] == 0:
        raise ValueError(
            f"x has no positions (shape {shape}): pass at least one row and one column"
        )


def parameter_count(
    channels: int,
    classes: int,
    *,
    steps: int = 3,
    hidden: int = 64,
    width: int = 64,
    flat: bool = False,
) -> int:
    """Learned parameters: a scorer a(c + d + 2), one more unless flat, the LSTM, the readout."""
    del steps  # all steps share their weights
    scorer = hidden * (channels + width + 2)
    lstm = 4 * width * (channels + width + 1)
    return scorer * (1 if flat else 2) + lstm + classes * (width + 1)


def multiply_adds(
    frames: int,
    height: int,
    width_of_x: int,
    channels: int,
    classes: int,
    *,
    steps: int = 3,
    hidden: int = 64,
    width: int = 64,
    flat: bool = False,
) -> int:
    """Multiply-adds of a clip: keys of all positions once, all else at every step."""
    positions = frames * height * width_of_x
    once = positions * channels * hidden
    look = width * hidden + positions * hidden + positions * channels
    if not flat:
        look += width * hidden + frames * hidden * (channels + 1)
    gather = frames * channels
    lstm = 4 * width * (channels + width) + 3 * width
    return once + steps * (look + gather + lstm + classes * width)
