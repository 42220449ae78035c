"""GLTR: fused self-attention over the frames, against the map of all pairs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.temporal import GlobalLocalTemporal
from benchmarks.case import Case, Form
from benchmarks.explicit import explicit


def block(shape: tuple[int, ...]) -> GlobalLocalTemporal:
    """With all weights drawn, so that no gate is closed; in eval mode."""
    made = GlobalLocalTemporal(shape[2]).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


def of_torch(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """PyTorch's fused operator on (b, t, d), as one would call it; three axes are not fused."""
    attention = module.attention

    def form(x: Tensor) -> Tensor:
        frames = module.pyramid(x)
        q, k, v = (layer(frames) for layer in (attention.query, attention.key, attention.value))
        taken = F.scaled_dot_product_attention(q, k, v, scale=1.0 / attention.temperature)
        mixed = attention.output(taken)
        return frames + attention.norm(mixed.flatten(0, 1)).view_as(mixed)

    return form


CASES = (
    Case(
        chapter="temporal/global_local_temporal",
        name="Global and local temporal attention",
        sizes={f"{t} frames of 16": (2, t, 16) for t in (128, 512, 2048)},
        module=block,
        others={"textbook": explicit, "torch": of_torch},
        grows=lambda shape: shape[1],
        along="frames",
        exponents={"ours": 2.0, "textbook": 2.0, "torch": 2.0},
        floors={"textbook": (1.0, 4.0), "torch": (1.0, 4.0)},
        tolerance=1e-9,
    ),
)
