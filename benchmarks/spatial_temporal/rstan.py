"""RSTAN: keys once for all steps, against scorers that read place and state side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.spatial_temporal import RecurrentSpatialTemporal
from benchmarks.case import Case, Form

STEPS = 8


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Every place beside the state, through one layer, at every step; sums over a product."""

    def beside(x: Tensor, state: Tensor, key: nn.Linear, query: nn.Linear) -> Tensor:
        asked = state.view(len(state), *(1,) * (x.ndim - 2), -1).expand(*x.shape[:-1], -1)
        weight = torch.cat([key.weight, query.weight], dim=1)
        return torch.tanh(torch.cat([x, asked], dim=-1) @ weight.T + key.bias)

    def form(x: Tensor) -> Tensor:
        values = x.flatten(3).movedim(1, 3)
        state = cell = values.new_zeros(len(x), module.width)
        said = []
        for _ in range(module.steps):
            e = module.score(beside(values, state, module.key, module.query))
            u = (e.softmax(dim=2) * values).sum(dim=2)
            e = module.frame_score(beside(u, state, module.frame_key, module.frame_query))
            z = (e.softmax(dim=1) * u).sum(dim=1)
            state, cell = module.step(z, state, cell)
            said.append(module.answer(state))
        return torch.stack(said, dim=1)

    return form


CASES = (
    Case(
        chapter="spatial_temporal/rstan",
        name="RSTAN",
        sizes={f"{t} frames of 128 × 14 × 14": (2, 128, t, 14, 14) for t in (8, 16, 32)},
        module=lambda shape: RecurrentSpatialTemporal(
            shape[1], 50, steps=STEPS, hidden=128, width=128
        ),
        others={"textbook": textbook},
        grows=lambda shape: shape[2],
        along="frames",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.5, None)},
    ),
)
