"""The attentive decoder: keys once for all words, against a scorer that reads everything anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.spatial import ShowAttendTell
from benchmarks.case import Case, Form

WORDS = 8


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Annotation and state side by side, through one layer, for every position of every word."""

    def form(x: Tensor) -> Tensor:
        values = x.flatten(2).mT
        state, cell = module.first(values)
        weight = torch.cat([module.key.weight, module.query.weight], dim=1)
        word, caption = state.new_zeros(len(x), module.embed), []
        for _ in range(module.steps):
            asked = state[:, None].expand(-1, values.shape[1], -1)
            both = torch.cat([values, asked], dim=2)
            hidden = torch.tanh(both @ weight.T + module.key.bias)
            weights = torch.softmax(module.score(hidden), dim=1)
            context = (weights * values).sum(dim=1)
            logits, state, cell = module.step(word, context, state, cell)
            caption.append(logits)
            word = module.embedding(logits.argmax(dim=1))
        return torch.stack(caption, dim=1)

    return form


CASES = (
    Case(
        chapter="spatial/show_attend_tell",
        name="Attentive decoder",
        sizes={f"128 × {s} × {s}": (4, 128, s, s) for s in (7, 14, 28)},
        module=lambda shape: ShowAttendTell(
            shape[1], words=50, steps=WORDS, hidden=128, width=128, embed=32
        ),
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.5, 2.0)},
    ),
)
