"""GCT: one product and one sum for the norms, beside the released layout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.channel import GatedChannelTransformation
from attncourse.channel.gated_channel_transformation import EPSILON
from benchmarks.case import Case, Form


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equations (1) to (4) on maps of one position, as the released code has them."""

    def form(x: Tensor) -> Tensor:
        alpha, gamma, beta = (
            p[None, :, None, None] for p in (module.alpha, module.gamma, module.beta)
        )
        z = (x.pow(2).sum(dim=(2, 3), keepdim=True) + EPSILON).pow(0.5) * alpha
        factor = gamma / (z.pow(2).mean(dim=1, keepdim=True) + EPSILON).pow(0.5)
        return x * (1 + torch.tanh(z * factor + beta))

    return form


def opened(shape: tuple[int, ...]) -> nn.Module:
    """A block whose gates follow the norms; a new one is the identity."""
    block = GatedChannelTransformation(shape[1])
    nn.init.constant_(block.gamma, 0.3)
    return block


CASES = (
    Case(
        chapter="channel/gated_channel_transformation",
        name="GCT",
        sizes={f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)},
        module=opened,
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (0.85, 0.95)},
    ),
)
