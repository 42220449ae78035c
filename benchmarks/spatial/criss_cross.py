"""Criss-cross attention: two products on channels-last maps, against the released form.

The full map of all pairs, masked, gives the same values as well; it is what the sparse form saves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import CrissCross
from attncourse.spatial.criss_cross import cross_mask
from benchmarks.case import Case, Form


def released(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """As the authors' code lays it out: a copy for each line and part, and minus infinity added."""
    b, _, h, w = shape

    def lines(t: Tensor) -> tuple[Tensor, Tensor]:
        """A batch of columns (b w, c, h) and a batch of rows (b h, c, w), each a copy."""
        columns = t.permute(0, 3, 1, 2).contiguous().view(b * w, -1, h)
        return columns, t.permute(0, 2, 1, 3).contiguous().view(b * h, -1, w)

    def once(x: Tensor) -> Tensor:
        (qc, qr), (kc, kr), (vc, vr) = (
            lines(layer(x)) for layer in (module.query, module.key, module.value)
        )
        shut = torch.full((h,), torch.inf, dtype=x.dtype, device=x.device)
        column = torch.bmm(qc.mT, kc) - torch.diag(shut).repeat(b * w, 1, 1)
        column = column.view(b, w, h, h).permute(0, 2, 1, 3)
        row = torch.bmm(qr.mT, kr).view(b, h, w, w)
        weights = F.softmax(torch.cat([column, row], dim=3), dim=3)
        ac = weights[..., :h].permute(0, 2, 1, 3).contiguous().view(b * w, h, h)
        ar = weights[..., h:].contiguous().view(b * h, w, w)
        read = torch.bmm(vc, ac.mT).view(b, w, -1, h).permute(0, 2, 3, 1)
        read = read + torch.bmm(vr, ar.mT).view(b, h, -1, w).permute(0, 2, 1, 3)
        return module.gamma * read + x

    def form(x: Tensor) -> Tensor:
        for _ in range(module.recurrence):
            x = once(x)
        return x

    return form


def full(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """All pairs of positions, and a mask that leaves the cross."""
    _, _, h, w = shape

    def once(x: Tensor) -> Tensor:
        q, k, v = (layer(x).flatten(2).mT for layer in (module.query, module.key, module.value))
        logits = (q @ k.mT).masked_fill(~cross_mask(h, w), -torch.inf)
        return x + module.gamma * (logits.softmax(dim=2) @ v).mT.view_as(x)

    def form(x: Tensor) -> Tensor:
        for _ in range(module.recurrence):
            x = once(x)
        return x

    return form


def block(shape: tuple[int, ...]) -> nn.Module:
    """Two passes, with the scale opened."""
    made = CrissCross(shape[1])
    nn.init.constant_(made.gamma, 0.3)
    return made


CASES = (
    Case(
        chapter="spatial/criss_cross",
        name="CCNet, two passes",
        sizes={f"128 × {s} × {s}": (1, 128, s, s) for s in (16, 32, 64)},
        module=block,
        others={"released": released, "full": full},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"full": 2.0},
        floors={"released": (1.0, 1.3), "full": (None, 8)},
        tolerance=1e-9,
    ),
)
