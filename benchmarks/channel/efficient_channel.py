"""ECA-Net: two passes over the features, and next to nothing between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.channel import EfficientChannel
from benchmarks.case import Case, Form
from benchmarks.timm_layers import as_fast_as_timm, layer, take_over


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Pooled maps of one position, turned for the convolution, as the released code has them."""
    pool = nn.AdaptiveAvgPool2d(1)
    slide = nn.Conv1d(1, 1, module.kernel_size, padding=module.kernel_size // 2, bias=False)

    def form(x: Tensor) -> Tensor:
        y = pool(x).squeeze(-1).transpose(-1, -2)
        y = slide.to(x)(y).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(y).expand_as(x)

    take_over(slide, module.conv)
    return form


ECA_OF_TIMM = layer("eca", "EcaModule")


def of_timm(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The same kernel on the same means."""
    made = ECA_OF_TIMM(shape[1]).to(module.conv.weight)
    take_over(made.conv, module.conv)
    return made


_SIZES = {f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)}

OURS = Case(
    chapter="channel/efficient_channel",
    name="ECA-Net",
    sizes=_SIZES,
    module=lambda shape: EfficientChannel(shape[1]),
    others={"textbook": textbook},
    grows=lambda shape: shape[2] * shape[3],
    along="positions",
    exponents={"ours": 1.0, "textbook": 1.0},
    floors={"textbook": (0.9, 0.95)},
)
CASES = (OURS, *as_fast_as_timm(OURS, ECA_OF_TIMM, of_timm))
