"""What GaterNet costs, in closed form: equations (11) and (12) of the chapter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

#: Filters of the three convolutions of the default backbone, and of the two of the gater.
WIDTHS = (16, 16, 16)
GATER_WIDTHS = (8, 16)
BOTTLENECK = 16
#: Weights of a filter for each channel that it reads.
TAPS = 9


def parameter_count(
    channels: int,
    widths: Sequence[int] = WIDTHS,
    *,
    gater_widths: Sequence[int] = GATER_WIDTHS,
    bottleneck: int = BOTTLENECK,
    **training: object,
) -> int:
    """Learned parameters of the backbone and of the gater."""
    del training
    gates = sum(widths)
    layers = [*pairwise((channels, *widths)), *pairwise((channels, *gater_widths))]
    convolved = sum(TAPS * before * after + 2 * after for before, after in layers)
    return convolved + bottleneck * (gater_widths[-1] + 3) + gates * (bottleneck + 1)


def backbone_multiply_adds(
    height: int,
    width: int,
    channels: int,
    widths: Sequence[int | float] = WIDTHS,
) -> int | float:
    """Multiply-adds of the convolutions; widths may be the mean numbers of filters that run."""
    return TAPS * height * width * sum(a * b for a, b in pairwise((channels, *widths)))


def gater_multiply_adds(
    height: int,
    width: int,
    channels: int,
    gates: int,
    gater_widths: Sequence[int] = GATER_WIDTHS,
    bottleneck: int = BOTTLENECK,
) -> int:
    """Multiply-adds of the gater: convolutions of stride 2, a mean, two layers."""
    total = 0
    for before, after in pairwise((channels, *gater_widths)):
        height, width = (height + 1) // 2, (width + 1) // 2
        total += TAPS * before * after * height * width
    return total + gater_widths[-1] * height * width + bottleneck * (gater_widths[-1] + gates)


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    widths: Sequence[int] = WIDTHS,
    *,
    gater_widths: Sequence[int] = GATER_WIDTHS,
    bottleneck: int = BOTTLENECK,
    **training: object,
) -> int:
    """Multiply-adds for one image where every filter runs and gates multiply."""
    del training
    gates = sum(widths)
    decided = gater_multiply_adds(height, width, channels, gates, gater_widths, bottleneck)
    layers = sum(before * after for before, after in pairwise((channels, *widths)))
    return decided + TAPS * height * width * layers + gates * height * width
