"""DANet's position branch: blocks of rows or a fused kernel, against the whole map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel_spatial import DualPositionAttention
from benchmarks.case import Case, Form


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The map of all pairs of positions, then a product with it."""

    def form(x: Tensor) -> Tensor:
        s = module.g(x)
        gathered = torch.bmm(module.value(x).flatten(2), s.transpose(1, 2))
        return module.alpha * gathered.view_as(x) + x

    return form


def of_torch(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """PyTorch's fused operator as one would call it: the values are wider, so it is not fused."""

    def form(x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).flatten(2).mT[:, None].contiguous()
            for layer in (module.query, module.key, module.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return x + module.alpha * y[:, 0].mT.view_as(x)

    return form


def block(form: str) -> object:
    """A maker of the branch in one of its exact forms, with its scale opened."""

    def make(shape: tuple[int, ...]) -> nn.Module:
        made = DualPositionAttention(shape[1], form=form)
        nn.init.constant_(made.alpha, 0.3)
        return made

    return make


CASES = tuple(
    Case(
        chapter="channel_spatial/dual_attention",
        name=f"Position attention, form={form!r}",
        sizes={f"256 × {s} × {s}": (1, 256, s, s) for s in (12, 24, 48)},
        module=block(form),
        others={"textbook": textbook, "torch": of_torch},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 2.0, "textbook": 2.0, "torch": 2.0},
        floors={"textbook": (None, 2.5), "torch": (None, 2.5)},
        tolerance=1e-9,
    )
    for form in ("blocks", "fused")
)
