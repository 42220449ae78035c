"""CBAM against its released layout, and scSE's one gate against two gated maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel_spatial import ConcurrentSqueezeExcitation, ConvolutionalBlockAttention
from benchmarks.case import Case, Form


def released(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Our own writing of the published layout: pooling windows, layers twice, gates spread out."""

    def form(x: Tensor) -> Tensor:
        total = None
        for pool in (F.avg_pool2d, F.max_pool2d):
            z = pool(x, x.shape[2:]).flatten(1)
            logits = module.expand(F.relu(module.reduce(z)))
            total = logits if total is None else total + logits
        gated = x * torch.sigmoid(total)[:, :, None, None].expand_as(x)
        two = torch.cat(
            (torch.max(gated, 1)[0].unsqueeze(1), torch.mean(gated, 1).unsqueeze(1)), dim=1
        )
        return gated * torch.sigmoid(module.norm(module.conv(two)))

    return form


def two_maps(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Both gated maps, then their sum, as the equation is written."""

    def form(x: Tensor) -> Tensor:
        a, m = module.g(x)
        return a[:, :, None, None] * x + m[:, None] * x

    return form


def positions(shape: tuple[int, ...]) -> float:
    """How many positions a map has."""
    return shape[2] * shape[3]


SIZES = {f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)}
CASES = (
    Case(
        chapter="channel_spatial/convolutional_block_attention",
        name="CBAM",
        sizes=SIZES,
        module=lambda shape: ConvolutionalBlockAttention(shape[1]),
        others={"released": released},
        grows=positions,
        along="positions",
        exponents={"ours": 1.0, "released": 1.0},
        floors={"released": (None, 0.95)},
    ),
    Case(
        chapter="channel_spatial/convolutional_block_attention",
        name="scSE",
        sizes=SIZES,
        module=lambda shape: ConcurrentSqueezeExcitation(shape[1]),
        others={"two maps": two_maps},
        grows=positions,
        along="positions",
        exponents={"ours": 1.0, "two maps": 1.0},
        floors={"two maps": (None, 0.95)},
    ),
)
