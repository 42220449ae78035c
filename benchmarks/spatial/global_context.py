"""The global context block against the layout it was published in, and against what it replaced."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import GlobalContext
from benchmarks.case import Case, Form


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Convolutions on maps of one pixel, and the weighted sum as a product with four axes."""

    def form(x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        rows = x.view(b, c, h * w).unsqueeze(1)
        mask = module.score(x).view(b, 1, h * w).softmax(dim=2).unsqueeze(-1)
        context = torch.matmul(rows, mask).view(b, c, 1, 1)
        add = module.add
        hidden = F.conv2d(context, add.reduce.weight[:, :, None, None], add.reduce.bias)
        d = hidden.shape[1:]
        hidden = F.layer_norm(hidden, d, add.norm.weight.view(d), add.norm.bias.view(d))
        t = F.conv2d(hidden.relu(), add.expand.weight[:, :, None, None], add.expand.bias)
        return x + t

    return form


def one_question(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """A non-local block whose queries are all alike: the same map in every row, then the sums."""

    def form(x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        n = tokens.shape[1]
        logits = module.score(x).flatten(1)[:, None].expand(-1, n, -1)
        read = logits.softmax(dim=2) @ tokens
        return x + module.add(read.flatten(0, 1)).view_as(tokens).mT.view_as(x)

    return form


def block(shape: tuple[int, ...]) -> nn.Module:
    """The block, opened."""
    made = GlobalContext(shape[1])
    nn.init.normal_(made.add.expand.weight, std=0.1)
    return made


CASES = (
    Case(
        chapter="spatial/global_context",
        name="GCNet",
        sizes={f"256 × {s} × {s}": (2, 256, s, s) for s in (14, 28, 56)},
        module=block,
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (0.9, 0.95)},
    ),
    Case(
        chapter="spatial/global_context",
        name="GCNet and one map for every query",
        sizes={f"256 × {s} × {s}": (2, 256, s, s) for s in (12, 24, 48)},
        module=block,
        others={"each query": one_question},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "each query": 2.0},
        floors={"each query": (10, 7)},
    ),
)
