"""STC's block: one profile and one mask, against two poolings and two scaled clips."""

from __future__ import annotations

from torch import Tensor, nn

from attncourse.spatial_temporal import ChannelCorrelation
from benchmarks.case import Case, Form


def block(shape: tuple[int, ...]) -> ChannelCorrelation:
    """In eval mode, as it starts."""
    return ChannelCorrelation(shape[1], shape[2]).eval()


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The equations to the letter: each branch pools the clip and scales it, then the mean."""

    def form(x: Tensor) -> Tensor:
        p = module.tcb(x.mean(dim=(2, 3, 4)))  # type: ignore[operator]
        q = module.scb(x.mean(dim=(3, 4)).flatten(1))  # type: ignore[operator]
        return (p[:, :, None, None, None] * x + q[:, :, None, None, None] * x) / 2

    return form


CASES = (
    Case(
        chapter="spatial_temporal/channel_correlation",
        name="Spatio-temporal channel correlation",
        sizes={f"8 frames of {n} x {n}": (2, 64, 8, n, n) for n in (7, 14, 28)},
        module=block,
        others={"textbook": textbook},
        grows=lambda shape: shape[3] * shape[4],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.3, 1.2)},
        tolerance=1e-9,
    ),
)
