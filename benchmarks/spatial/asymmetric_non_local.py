"""Asymmetric non-local: linear layers on the anchors, against the released order and a full map.

The full map of all pairs gives the same values where it is built as E P, the weights of the
anchors spread over their pixels; it is what sampling saves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import AsymmetricNonLocal
from attncourse.spatial.asymmetric_non_local import pooling_matrix
from benchmarks.case import Case, Form


def _joined(module: nn.Module, o: Tensor, x: Tensor) -> Tensor:
    o = module.out(o)
    if module.fuse is None:
        return x + o
    return F.relu(module.norm(module.fuse(torch.cat([o, x], dim=1))))


def released(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """As the authors' code has it: project all positions, then average; read, then project."""

    def pool(t: Tensor) -> Tensor:
        return torch.cat([F.adaptive_avg_pool2d(t, n).flatten(2) for n in module.sizes], dim=2)

    def form(x: Tensor) -> Tensor:
        values = pool(module.value(x)).mT
        k = F.relu(module.key_norm(module.key(x)))
        logits = k.shape[1] ** -0.5 * (k.flatten(2).mT @ pool(k))
        context = (F.softmax(logits, dim=-1) @ values).mT.contiguous()
        return _joined(module, context.unflatten(2, x.shape[2:]), x)

    return form


def full(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """One weight for every pair of positions, and values at every position."""
    p = pooling_matrix(shape[2], shape[3], module.sizes)

    def form(x: Tensor) -> Tensor:
        spread = p.to(x.dtype)
        k = F.relu(module.key_norm(module.key(x))).flatten(2)
        logits = k.shape[1] ** -0.5 * (k.mT @ (k @ spread.mT))
        pairs = logits.softmax(dim=2) @ spread
        context = (pairs @ module.value(x).flatten(2).mT).mT
        return _joined(module, context.unflatten(2, x.shape[2:]), x)

    return form


def block(shape: tuple[int, ...]) -> nn.Module:
    """The paper's pyramid, with W_o opened."""
    made = AsymmetricNonLocal(shape[1])
    made.out.reset_parameters()
    return made.eval()


CASES = (
    Case(
        chapter="spatial/asymmetric_non_local",
        name="Asymmetric non-local",
        sizes={f"128 × {s} × {s}": (1, 128, s, s) for s in (16, 32, 64)},
        module=block,
        others={"released": released, "full": full},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"full": 2.0},
        floors={"released": (0.85, 1.4), "full": (2.0, 10.0)},
        tolerance=1e-9,
    ),
)
