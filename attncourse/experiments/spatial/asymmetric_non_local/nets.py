"""Non-local blocks that read anchors in place of pixels, and what may stand in their place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.spatial import NonLocal
from attncourse.spatial.non_local import tokens


class Averaged(NonLocal):
    """A non-local block whose keys and values are means over cells, and nothing else changed.

    Args:
        channels: of the features.
        sizes: an n gives n x n cells; several make a pyramid.
    """

    def __init__(self, channels: int, *sizes: int) -> None:
        super().__init__(channels, norm=False)
        self.sizes = sizes

    def keys(self, x: Tensor) -> Tensor:
        """The anchors, (b, S, c)."""
        return torch.cat([tokens(F.adaptive_avg_pool2d(x, n)) for n in self.sizes], dim=1)


class Picked(NonLocal):
    """As few keys and values, each one pixel of its cell, the one behind the middle.

    Args:
        channels: of the features.
        cell: rows and columns of a cell.
    """

    def __init__(self, channels: int, cell: int) -> None:
        super().__init__(channels, norm=False)
        self.cell = cell

    def keys(self, x: Tensor) -> Tensor:
        """One pixel of every cell, (b, S, c)."""
        return tokens(x[:, :, self.cell // 2 :: self.cell, self.cell // 2 :: self.cell])


class Smoothed(NonLocal):
    """As many keys and values as pixels, each the mean over the window that starts there.

    Windows go around the edges.  The cells' means are among them.

    Args:
        channels: of the features.
        cell: rows and columns of the window.
    """

    def __init__(self, channels: int, cell: int) -> None:
        super().__init__(channels, norm=False)
        self.cell = cell

    def keys(self, x: Tensor) -> Tensor:
        """Overlapping means, (b, n, c)."""
        more = self.cell - 1
        return tokens(F.avg_pool2d(F.pad(x, (0, more, 0, more), mode="circular"), self.cell, 1))

    def attend(self, x: Tensor) -> Tensor:
        """Through the map, as the recorded runs did."""
        return self.f(self.g(x), x)
