"""Networks in which one block alone lets pixels hear of each other, and what may stand there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncourse.spatial import CrissCross, NonLocal

WIDTH = 16


class SmallPixelNet(nn.Module):
    """Three layers that see one pixel each, with a place for a block before the last.

    Args:
        channels: of the images.
        outputs: numbers that every pixel answers.
        block: number of channels -> module that maps (b, c, h, w) to the same shape.
        width: channels of every layer.
    """

    def __init__(
        self, channels: int, outputs: int, block: Callable[[int], nn.Module], width: int = WIDTH
    ) -> None:
        super().__init__()
        self.before = nn.Sequential(
            nn.Conv2d(channels, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1)
        )
        self.block = block(width)
        self.after = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) -> what every pixel answers, (b, outputs, h, w)."""
        return self.after(self.block(self.before(x)))


class UniformCross(CrissCross):
    """Criss-cross attention in which nobody asks anything: queries are zero and stay zero.

    What is left is the pattern: the mean over row and column, pass after pass.
    """

    def __init__(self, channels: int, reduction: int = 8, recurrence: int = 2) -> None:
        super().__init__(channels, reduction, recurrence)
        for parameter in self.query.parameters():
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


class Strips(nn.Module):
    """Two residual convolutions as long as the map, along the row and along the column.

    They read the cross as well, each member through a weight for its offset.

    Args:
        channels: of the features.
        side: rows and columns of the map.
        passes: how often, with the same weights and a ReLU in between.
    """

    def __init__(self, channels: int, side: int, passes: int = 1) -> None:
        super().__init__()
        long, reach = 2 * side - 1, side - 1
        self.row = nn.Conv2d(channels, channels, (1, long), padding=(0, reach))
        self.column = nn.Conv2d(channels, channels, (long, 1), padding=(reach, 0))
        self.passes = passes

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        for done in range(self.passes):
            x = x.relu() if done else x
            x = x + self.row(x) + self.column(x)
        return x


class PlacedNonLocal(NonLocal):
    """A non-local block that is told where everything stands.

    A learned vector for every row and one for every column are added to the features, so that
    queries and keys may speak of places.
    """

    def __init__(self, channels: int, side: int, reduction: int = 1) -> None:
        super().__init__(channels, reduction, norm=False)
        self.rows = nn.Parameter(torch.randn(channels, side, 1))
        self.columns = nn.Parameter(torch.randn(channels, 1, side))

    def forward(self, x: Tensor, need_weights: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """The same shape."""
        return super().forward(x + self.rows + self.columns, need_weights)
