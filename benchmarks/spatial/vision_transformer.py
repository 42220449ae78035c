"""Multi-head attention: the fused kernel on views of heads, against maps written out.

``nn.MultiheadAttention`` with its default ``need_weights=True`` builds the maps as well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.spatial import MultiHeadAttention
from benchmarks.case import Case, Form


def explicit(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The textbook's form: products of all pairs, a softmax, a product, all kept."""
    heads = module.heads

    def form(x: Tensor) -> Tensor:
        z = x.flatten(2).mT
        q, k, v = (
            layer(z).unflatten(2, (heads, -1)).transpose(1, 2)
            for layer in (module.query, module.key, module.value)
        )
        s = torch.einsum("bmid,bmjd->bmij", q, k) / q.shape[3] ** 0.5
        y = torch.einsum("bmij,bmjd->bmid", s.softmax(dim=3), v)
        return module.out(y.transpose(1, 2).flatten(2)).mT.unflatten(2, x.shape[2:])

    return form


def of_torch(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """PyTorch's function behind ``nn.MultiheadAttention``, as its default calls it."""

    def form(x: Tensor) -> Tensor:
        z = x.flatten(2).permute(2, 0, 1)
        layers = (module.query, module.key, module.value)
        y, _ = nn.functional.multi_head_attention_forward(
            z, z, z, module.channels, module.heads,
            torch.cat([m.weight for m in layers]), torch.cat([m.bias for m in layers]),
            None, None, False, 0.0, module.out.weight, module.out.bias, need_weights=True,
        )  # fmt: skip
        return y.permute(1, 2, 0).unflatten(2, x.shape[2:])

    return form


CASES = (
    Case(
        chapter="spatial/vision_transformer",
        name="Multi-head attention",
        sizes={f"128 × {s} × {s}": (1, 128, s, s) for s in (14, 28, 56)},
        module=lambda shape: MultiHeadAttention(shape[1], 4),
        others={"textbook": explicit, "torch": of_torch},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 2.0, "textbook": 2.0, "torch": 2.0},
        floors={"textbook": (0.9, 8), "torch": (0.9, 8)},
        tolerance=1e-9,
    ),
)
