"""SRM: a centred product and its sum, beside the variance as one would call it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.channel import StyleRecalibration
from attncourse.channel.style_recalibration import EPSILON
from benchmarks.case import Case, Form


def variance(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equations (1) to (4) with PyTorch's variance of a flattened map."""

    def form(x: Tensor) -> Tensor:
        flat = x.flatten(2)
        std = (flat.var(dim=2, correction=0) + EPSILON).sqrt()
        z = (torch.stack([flat.mean(dim=2), std], dim=2) * module.weight).sum(dim=2)
        return torch.sigmoid(module.norm(z))[:, :, None, None] * x

    return form


def opened(shape: tuple[int, ...]) -> nn.Module:
    """A block whose gates follow both numbers; a new one has weights of zero."""
    block = StyleRecalibration(shape[1])
    nn.init.constant_(block.weight, 0.3)
    return block


CASES = (
    Case(
        chapter="channel/style_recalibration",
        name="SRM",
        sizes={f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)},
        module=opened,
        others={"textbook": variance},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.3, None)},
    ),
)
