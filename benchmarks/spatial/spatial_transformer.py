"""Spatial transformer: one kernel that reads the image, against four gathered corners."""

from __future__ import annotations

import torch

from attncourse.spatial import SpatialTransformer
from benchmarks.case import Case
from benchmarks.explicit import explicit


def block(shape: tuple[int, ...]) -> SpatialTransformer:
    """A warp away from the identity, so that no reading falls on a pixel."""
    made = SpatialTransformer(shape[1])
    torch.nn.init.normal_(made.regress.weight, std=0.05)
    return made


CASES = (
    Case(
        chapter="spatial/spatial_transformer",
        name="Spatial transformer",
        sizes={f"32 × {s} × {s}": (4, 32, s, s) for s in (16, 32, 64)},
        module=block,
        others={"textbook": explicit},
        grows=lambda shape: shape[2] * shape[3],
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.1, 1.5)},
        tolerance=1e-9,
    ),
)
