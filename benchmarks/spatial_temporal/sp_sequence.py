"""CGA's mean in front of its second layer, and CLI's neighbours without a gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.spatial_temporal import CrossFrameGlobalAttention, CrossFrameLocalInterpolation
from attncourse.spatial_temporal.sp_sequence import scale
from benchmarks.case import Case, Form


def gate(shape: tuple[int, ...]) -> CrossFrameGlobalAttention:
    """In eval mode, as it starts."""
    return CrossFrameGlobalAttention(shape[1]).eval()


def every_point(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equation (1) to the letter: both layers on every point, then the mean."""

    def form(x: Tensor) -> Tensor:
        units = module.norm(module.first(x[:, :, 0])).relu()  # type: ignore[operator]
        scores = module.second(units)  # type: ignore[operator]
        return scale(torch.sigmoid(scores.mean(dim=2)), x[:, :, 1])

    return form


def neighbours(shape: tuple[int, ...]) -> CrossFrameLocalInterpolation:
    """In eval mode, as it starts, with a radius of the points' own scale."""
    return CrossFrameLocalInterpolation(shape[1] - 3, radius=2.0).eval()


def every_pair(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equation (3) to the letter: distances of all pairs, with their gradients."""

    def form(x: Tensor) -> Tensor:
        then, now = x[:, :3, 0], x[:, :3, 1]
        distance = (now[..., None] - then[:, :, None]).norm(dim=1)
        near, index = distance.topk(3, dim=2, largest=False)
        weights = 0.5 - (near / (2 * 2.0)).clamp(max=0.5)
        return module.f((weights, index), x)  # type: ignore[operator,no-any-return]

    return form


CASES = (
    Case(
        chapter="spatial_temporal/sp_sequence",
        name="Cross-frame global attention",
        sizes={f"{n:,} points": (2, 64, 2, n) for n in (1024, 2048, 4096)},
        module=gate,
        others={"textbook": every_point},
        grows=lambda shape: shape[3],
        along="points",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.1, None)},
        tolerance=1e-6,
    ),
    Case(
        chapter="spatial_temporal/sp_sequence",
        name="Cross-frame local interpolation",
        sizes={f"{n:,} points": (1, 35, 2, n) for n in (512, 1024, 2048)},
        module=neighbours,
        others={"textbook": every_pair},
        grows=lambda shape: shape[3],
        along="points",
        exponents={"ours": 2.0, "textbook": 2.0},
        floors={"textbook": (1.5, None)},
        tolerance=1e-6,
    ),
)
