"""Gather-Excite: gates are spread along rows only, and the map of them is never built."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel import GatherExcite
from attncourse.channel.gather_excite import spread
from benchmarks.case import Case, Form
from benchmarks.timm_layers import layer


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """What is gathered is spread to the size of the features, squashed there, and multiplied."""

    def form(x: Tensor) -> Tensor:
        return x * torch.sigmoid(spread(module.gather(x), x.shape[2:]))

    return form


def textbook_mean(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The same with the mean over windows."""
    e = module.extent

    def form(x: Tensor) -> Tensor:
        z = F.avg_pool2d(x, 2 * e - 1, e, e - 1, count_include_pad=False)
        return x * torch.sigmoid(F.interpolate(z, size=x.shape[2:], mode="nearest"))

    return form


GE_OF_TIMM = layer("gather_excite", "GatherExcite")


def of_timm(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The form without parameters, the only one that its version 1.0.31 can build."""
    return GE_OF_TIMM(shape[1], extent=module.extent, extra_params=False, use_mlp=False)


_SIZES = {f"256 × {s} × {s}": (4, 256, s, s) for s in (16, 28, 56)}

CASES = (
    Case(
        chapter="channel/gather_excite",
        name="GE-θ, e = 4",
        sizes=_SIZES,
        module=lambda shape: GatherExcite(shape[1]),
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.2, 1.2)},
    ),
    Case(
        chapter="channel/gather_excite",
        name="GE-θ⁻, e = 4",
        sizes=_SIZES,
        module=lambda shape: GatherExcite(shape[1], learned=False),
        others={"textbook": textbook_mean},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.2, 1.2)},
    ),
) + (
    (
        Case(
            chapter="channel/gather_excite",
            name="GE-θ⁻, e = 4, and timm's",
            sizes=_SIZES,
            module=lambda shape: GatherExcite(shape[1], learned=False),
            others={"timm": of_timm},
            grows=lambda shape: shape[2] * shape[3],
            along="positions",
            exponents={"ours": 1.0, "timm": 1.0},
            floors={"timm": (1.2, None)},
        ),
    )
    if GE_OF_TIMM
    else ()
)
