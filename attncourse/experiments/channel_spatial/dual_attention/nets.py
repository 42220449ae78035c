"""What stands on the coarse map: the branches, and their rivals of convolutions and contexts."""

from __future__ import annotations

from torch import Tensor, nn

from attncourse.backbones.segmenter import Block
from attncourse.channel_spatial import DualChannelAttention, DualPositionAttention


class GlobalContext(nn.Module):
    """GCNet's block: one map for all queries, and so one summary that every position adds.

    The last layer starts at zero, so that a fresh block is the identity like the others here.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = nn.Conv2d(channels, 1, 1)
        self.change = nn.Sequential(
            nn.Linear(channels, channels),
            nn.LayerNorm(channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )
        for parameter in self.change[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """``x + change(mean of x weighted by one softmax)``."""
        weights = self.mask(x).flatten(2).softmax(dim=-1)
        context = (x.flatten(2) @ weights.mT)[..., 0]
        return x + self.change(context)[:, :, None, None]


def _convolution(channels: int, size: int) -> tuple[nn.Module, ...]:
    """A convolution that keeps shape, with normalisation and ReLU."""
    return (
        nn.Conv2d(channels, channels, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class WideConvolution(nn.Sequential):
    """A convolution that sees 7 x 7 positions, and has the weights for it."""

    def __init__(self, channels: int) -> None:
        super().__init__(*_convolution(channels, 7))


class Convolved(nn.Module):
    """A residual convolution over 5 x 5 positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(channels, 5))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.body(x)


class FiveConvolutions(nn.Sequential):
    """Five residual convolutions over 5 x 5 positions, one after the other.

    Together they reach ten positions to each side; with the convolutions around them every
    answer sees all 12 x 12 positions of a disc scene.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(*(Convolved(channels) for _ in range(5)))


def position(channels: int) -> DualPositionAttention:
    """Queries and keys of a third of the width; maps here are small, so they are held whole."""
    return DualPositionAttention(channels, 3, form="whole")


def narrow_position(channels: int) -> DualPositionAttention:
    """Queries and keys of an eighth of the width, as in the paper."""
    return DualPositionAttention(channels, 8, form="whole")


def behind_convolution(block: Block) -> Block:
    """The block behind a 3 x 3 convolution with normalisation and ReLU, as in the paper's head."""
    return lambda channels: nn.Sequential(*_convolution(channels, 3), block(channels))


def channel(sign: int = 1, power: float = 0.0) -> Block:
    """The channel branch with either sign."""
    return lambda channels: DualChannelAttention(channels, sign=sign, power=power)
