"""Spatial pyramid graph: the factored order, against the map of all pairs written out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import SpatialPyramidGraph
from attncourse.spatial.spatial_pyramid_graph import EPSILON, pyramid
from benchmarks.case import Case, Form


def explicit(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """A, its degrees and S as they are defined, one map of all pairs for every level."""

    def level(number: int, x: Tensor) -> Tensor:
        phi = F.relu(module.phi[number](x)).flatten(2)
        diagonal = torch.sigmoid(module.diagonal[number](x.mean(dim=(2, 3))))
        edges = (phi * diagonal[:, :, None]).mT @ phi
        root = torch.rsqrt(edges.sum(dim=2) + EPSILON)
        common = x.flatten(2) @ (root[:, :, None] * edges * root[:, None])
        common = common.view_as(x)
        mixed = module.theta[number](common if module.smoothing else x - common)
        return mixed if module.residual else F.relu(mixed)

    def form(x: Tensor) -> Tensor:
        y: Tensor | None = None
        maps = pyramid(x, module.levels)
        for number in reversed(range(module.levels)):
            own = level(number, maps[number])
            if y is not None:
                y = F.interpolate(y, size=own.shape[2:], mode="bilinear", align_corners=False)
            y = own if y is None else own + y
        assert y is not None
        return x + y if module.residual else y

    return form


CASES = (
    Case(
        chapter="spatial/spatial_pyramid_graph",
        name="SpyGR",
        sizes={f"64 × {s} × {s}": (1, 64, s, s) for s in (16, 32, 64)},
        module=lambda shape: SpatialPyramidGraph(shape[1]).eval(),
        others={"explicit": explicit},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "explicit": 2.0},
        floors={"explicit": (8.0, 20.0)},
        tolerance=1e-9,
    ),
)
