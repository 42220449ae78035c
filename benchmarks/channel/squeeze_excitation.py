"""Squeeze-and-Excitation: at its memory floor already, so that no form can be much faster."""

from __future__ import annotations

from torch import Tensor, nn

from attncourse.channel import SqueezeExcitation
from benchmarks.case import Case, Form
from benchmarks.timm_layers import as_fast_as_timm, layer, take_over


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equations (1) to (3), with the gate repeated to the size of the features."""

    def form(x: Tensor) -> Tensor:
        s = module.g(x)
        return s[:, :, None, None].repeat(1, 1, *x.shape[2:]) * x

    return form


SE_OF_TIMM = layer("squeeze_excite", "SEModule")


def of_timm(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The same two layers as 1 x 1 convolutions, on the same weights."""
    made = SE_OF_TIMM(shape[1], rd_channels=module.hidden_channels).to(module.reduce.weight)
    for theirs, ours in ((made.fc1, module.reduce), (made.fc2, module.expand)):
        take_over(theirs, ours)
    return made


_SIZES = {f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)}

OURS = Case(
    chapter="channel/squeeze_excitation",
    name="Squeeze-and-Excitation",
    sizes=_SIZES,
    module=lambda shape: SqueezeExcitation(shape[1]),
    others={"textbook": textbook},
    grows=lambda shape: shape[2] * shape[3],
    along="positions",
    exponents={"ours": 1.0, "textbook": 1.0},
    floors={"textbook": (0.9, 1.0)},
)
CASES = (OURS, *as_fast_as_timm(OURS, SE_OF_TIMM, of_timm))
