"""The three mechanisms against their released layouts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel_spatial import CoordinateAttention, SimpleAttention, TripletAttention
from benchmarks.case import Case, Form


def released_lines(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Our own writing of the published layout: pooled maps, 1x1 convolutions, gates in turn."""

    def conv(z: Tensor, layer: nn.Conv1d) -> Tensor:
        return F.conv2d(z, layer.weight[..., None], layer.bias)

    def form(x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        rows = F.adaptive_avg_pool2d(x, (height, 1))
        columns = F.adaptive_avg_pool2d(x, (1, width)).permute(0, 1, 3, 2)
        t = module.norm(conv(torch.cat([rows, columns], dim=2), module.reduce)[..., 0])[..., None]
        u_rows, u_columns = torch.split(t * F.relu6(t + 3) / 6, [height, width], dim=2)
        p = conv(u_rows, module.of_rows).sigmoid()
        return x * conv(u_columns.permute(0, 1, 3, 2), module.of_columns).sigmoid() * p

    return form


def released_sides(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The published layout: the whole of x turned for two of the views, three gated copies."""

    def gated(place: int, x: Tensor) -> Tensor:
        two = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(module.norms[place](module.convs[place](two)))

    def form(x: Tensor) -> Tensor:
        one = gated(0, x.permute(0, 2, 1, 3).contiguous()).permute(0, 2, 1, 3).contiguous()
        two = gated(1, x.permute(0, 3, 2, 1).contiguous()).permute(0, 3, 2, 1).contiguous()
        return (gated(2, x) + one + two) / 3

    return form


def released_energy(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The published layout: squares by ``pow``."""

    def form(x: Tensor) -> Tensor:
        squares = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
        v = squares.sum(dim=[2, 3], keepdim=True) / (x.shape[2] * x.shape[3] - 1)
        return x * torch.sigmoid(squares / (4 * (v + module.ridge)) + 0.5)

    return form


def positions(shape: tuple[int, ...]) -> float:
    """How many positions a map has."""
    return shape[2] * shape[3]


SIZES = {f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)}
CASES = tuple(
    Case(
        chapter="channel_spatial/coordinate_attention",
        name=name,
        sizes=SIZES,
        module=lambda shape, block=block: block(shape[1]),
        others={"released": released},
        grows=positions,
        along="positions",
        exponents={"ours": 1.0, "released": 1.0},
        floors={"released": (None, floor)},
    )
    for name, block, released, floor in (
        ("Coordinate attention", CoordinateAttention, released_lines, 0.95),
        ("Triplet attention", TripletAttention, released_sides, 1.5),
        ("SimAM", SimpleAttention, released_energy, 0.8),
    )
)
