"""GLTR: fused self-attention over the frames, against the map of all pairs."""

from __future__ import annotations

import torch

from attncourse.temporal import GlobalLocalTemporal
from benchmarks.case import Case
from benchmarks.explicit import explicit


def block(shape: tuple[int, ...]) -> GlobalLocalTemporal:
    """With all weights drawn, so that no gate is closed; in eval mode."""
    made = GlobalLocalTemporal(shape[2]).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


CASES = (
    Case(
        chapter="temporal/global_local_temporal",
        name="Global and local temporal attention",
        sizes={f"{t} frames of 16": (2, t, 16) for t in (128, 512, 2048)},
        module=block,
        others={"textbook": explicit},
        grows=lambda shape: shape[1],
        exponents={"ours": 2.0, "textbook": 2.0},
        floors={"textbook": (1.0, 4.0)},
        tolerance=1e-9,
    ),
)
