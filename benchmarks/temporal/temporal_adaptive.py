"""TAM: one matrix product for each channel, against the published grouped convolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.temporal import TemporalAdaptive
from benchmarks.case import Case, Form


def block(shape: tuple[int, ...]) -> TemporalAdaptive:
    """In eval mode, as it starts."""
    return TemporalAdaptive(shape[1], shape[2]).eval()


def grouped(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The published form: the weighed clip, and one convolution with a group for each channel."""

    def form(x: Tensor) -> Tensor:
        kernel, importance = module.g(x)
        b, c, t, h, w = x.shape
        z = (x * importance[..., None, None]).view(1, b * c, t, h * w)
        y = F.conv2d(z, kernel.view(b * c, 1, -1, 1), padding=(1, 0), groups=b * c)
        return y.view(b, c, t, h, w)

    return form


def shifted(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Three moved copies of the weighed clip, added up: the textbook's equation (4)."""

    def form(x: Tensor) -> Tensor:
        kernel, importance = module.g(x)
        z = F.pad(x * importance[..., None, None], (0, 0, 0, 0, 1, 1))
        parts = [z[:, :, k : k + x.shape[2]] for k in range(3)]
        taps = kernel[..., None, None, None].unbind(dim=2)
        return taps[0] * parts[0] + taps[1] * parts[1] + taps[2] * parts[2]

    return form


CASES = (
    Case(
        chapter="temporal/temporal_adaptive",
        name="Temporal adaptive module",
        sizes={f"8 frames of {n} x {n}": (2, 64, 8, n, n) for n in (7, 14, 28)},
        module=block,
        others={"textbook": shifted, "torch": grouped},
        grows=lambda shape: shape[3] * shape[4],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0, "torch": 1.0},
        floors={"textbook": (1.5, 1.4), "torch": (1.1, 0.95)},
        tolerance=1e-9,
    ),
)
