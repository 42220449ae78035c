"""Spatial transformer: one kernel that reads the image, against four gathered corners."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import SpatialTransformer
from benchmarks.case import Case, Form
from benchmarks.explicit import explicit


def block(shape: tuple[int, ...]) -> SpatialTransformer:
    """A warp away from the identity, so that no reading falls on a pixel."""
    made = SpatialTransformer(shape[1])
    torch.nn.init.normal_(made.regress.weight, std=0.05)
    return made


def of_torch(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """PyTorch's own pair of operators behind the same localisation network."""

    def form(x: Tensor) -> Tensor:
        theta = module.theta(x).unflatten(1, (2, 3))
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)

    return form


CASES = (
    Case(
        chapter="spatial/spatial_transformer",
        name="Spatial transformer",
        sizes={f"32 × {s} × {s}": (4, 32, s, s) for s in (16, 32, 64)},
        module=block,
        others={"textbook": explicit, "torch": of_torch},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0, "torch": 1.0},
        floors={"textbook": (1.1, 1.5), "torch": (0.9, 0.9)},
        tolerance=1e-9,
    ),
)
