"""Selective kernel: branches mixed one by one, against a stack of all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.branch import SelectiveKernel
from benchmarks.case import Case, Form


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equations (7) to (11) on a tensor of all branches, as most public code has them."""

    def form(x: Tensor) -> Tensor:
        pairs = zip(module.convs, module.norms, strict=True)
        paths = torch.stack([torch.relu(norm(conv(x))) for conv, norm in pairs], dim=1)
        s = paths.sum(dim=1).mean(dim=(2, 3))
        z = torch.relu(module.norm(module.reduce(s)))
        a = module.scores(z).unflatten(1, (paths.shape[1], -1)).softmax(dim=1)
        return (a[..., None, None] * paths).sum(dim=1)

    return form


def block(shape: tuple[int, ...]) -> SelectiveKernel:
    """In eval mode, so that batch statistics are no part of what is timed."""
    return SelectiveKernel(shape[1]).eval()


CASES = (
    Case(
        chapter="branch/selective_kernel",
        name="Selective kernel",
        sizes={f"128 × {s} × {s}": (8, 128, s, s) for s in (14, 28, 56)},
        module=block,
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.1, 1.4)},
    ),
)
