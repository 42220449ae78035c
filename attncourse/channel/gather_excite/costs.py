"""What Gather-Excite costs, in closed form."""

from __future__ import annotations

from attncourse.channel.squeeze_excitation import hidden_width


def parameter_count(
    channels: int,
    extent: int | None = 4,
    *,
    learned: bool = True,
    mlp: bool = False,
    reduction: int = 16,
    size: tuple[int, int] | None = None,
    norm: bool = True,
) -> int:
    """Learned parameters: 9 c a step (h w c if global), 2 c for its normalisation, and SE's."""
    each = 9 if size is None else size[0] * size[1]
    steps = 0 if not learned else 1 if extent is None else extent.bit_length() - 1
    total = steps * channels * (each + (2 if norm else 1))
    if mlp:
        hidden = hidden_width(channels, reduction)
        total += 2 * channels * hidden + hidden + channels
    return total


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    extent: int | None = 4,
    *,
    learned: bool = True,
    mlp: bool = False,
    reduction: int = 16,
    size: tuple[int, int] | None = None,
    norm: bool = True,
) -> int:
    """Multiply-adds for one image: the gather, SE's layers at every cell, one product a position.

    Means over windows have additions only and are not counted; the mean over the map is.
    """
    del size, norm
    total = channels * height * width
    p, q = height, width
    if extent is None:
        total += channels * height * width
        p, q = 1, 1
    elif learned:
        for _ in range(extent.bit_length() - 1):
            p, q = (p + 1) // 2, (q + 1) // 2
            total += 9 * channels * p * q
    else:
        p, q = (height + extent - 1) // extent, (width + extent - 1) // extent
    if mlp:
        total += 2 * channels * hidden_width(channels, reduction) * p * q
    return total
