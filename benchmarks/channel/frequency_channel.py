"""FcaNet: the planes of the frequencies alone, beside one plane for every channel."""

from __future__ import annotations

from torch import Tensor, nn

from attncourse.channel import FrequencyChannel
from benchmarks.case import Case, Form


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The released layout: a stored plane for each channel, multiplied and summed."""
    like = module.reduce.weight.new_zeros(1, *shape[1:])
    share = shape[1] // len(module.frequencies)
    stored = module.planes(like).repeat_interleave(share, dim=0) / (shape[2] * shape[3])

    def form(x: Tensor) -> Tensor:
        z = (x * stored).sum(dim=(2, 3))
        s = module.expand(module.reduce(z).relu()).sigmoid()
        return x * s[:, :, None, None].expand_as(x)

    return form


CASES = (
    Case(
        chapter="channel/frequency_channel",
        name="FcaNet",
        sizes={f"256 × {s} × {s}": (4, 256, s, s) for s in (14, 28, 56)},
        module=lambda shape: FrequencyChannel(shape[1]),
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (0.95, None)},
    ),
)
