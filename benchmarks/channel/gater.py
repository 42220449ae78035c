"""GaterNet for one image: filters that are off are skipped, or run and are multiplied by zero."""

from __future__ import annotations

from torch import Tensor, nn

from attncourse.channel import GaterNet
from benchmarks.case import Case, Form

_WIDTHS = (64, 64, 64)


class Skipping(nn.Module):
    """A GaterNet in use that computes only what is on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = GaterNet(channels, _WIDTHS).eval()

    def forward(self, x: Tensor) -> Tensor:
        """The maps of the last layer."""
        return self.net.eval().skipped(x)


def masked(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """All filters run and the same gates multiply; no slope goes to the gater, as in skipping."""
    net = module.net
    assert isinstance(net, GaterNet)
    return lambda x: net.eval().f(net.g(x).detach(), x)


CASES = (
    Case(
        chapter="channel/gater",
        name="GaterNet, one image, half of 192 filters on",
        sizes={f"64 × {s} × {s}": (1, 64, s, s) for s in (14, 28, 56)},
        module=lambda shape: Skipping(shape[1]),
        others={"masked": masked},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "masked": 1.0},
        floors={"masked": (1.5, 1.3)},
    ),
)
