"""Graphs with one part changed, and rivals that look by other means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import SpatialPyramidGraph
from attncourse.spatial.spatial_pyramid_graph import balanced, smoothed


class Smoothing(SpatialPyramidGraph):
    """One graph with x + Theta X S and as many compared features as channels.

    Args:
        channels: of the features.
        levels: of the pyramid.
    """

    def __init__(self, channels: int, levels: int = 1) -> None:
        super().__init__(channels, 1, levels, smoothing=True, residual=True)


class WithoutDiagonal(Smoothing):
    """Every lambda is one; the layers that decide it are gone."""

    def __init__(self, channels: int, levels: int = 1) -> None:
        super().__init__(channels, levels)
        self.diagonal = nn.ModuleList()

    def factors(self, level: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """P, and ones."""
        phi = F.relu(self.phi[level](x)).flatten(2)
        ones = torch.ones_like(phi[:, :, 0])
        return balanced(phi, ones), ones


class StaticDiagonal(Smoothing):
    """Lambdas that are learned and the same for every picture: the decision's bias alone."""

    def __init__(self, channels: int, levels: int = 1) -> None:
        super().__init__(channels, levels)
        for layer in self.diagonal:
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
            layer.weight.requires_grad_(False)


class GatedBefore(nn.Module):
    """A gate for each channel, decided from the mean, in front of a graph without a diagonal.

    It sees what the diagonal sees.  A gate starts at one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, channels)
        self.graph = WithoutDiagonal(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return self.graph(x * 2 * torch.sigmoid(self.gate(x.mean(dim=(2, 3))))[:, :, None, None])


class Doubled(SpatialPyramidGraph):
    """One level with twice the compared features: nearly the parameters of two levels.

    A layer for them in the place of the one that the base class builds.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1, 1, smoothing=True, residual=True)
        self.phi[0] = nn.Conv2d(channels, 2 * channels, 1)
        self.diagonal[0] = nn.Linear(channels, 2 * channels)


class MeanPyramid(Smoothing):
    """Levels of means in place of largest values."""

    def maps(self, x: Tensor) -> list[Tensor]:
        """Averaged by 2 again and again."""
        found = [x]
        for _ in range(self.levels - 1):
            found.append(F.avg_pool2d(found[-1], 2, ceil_mode=True, count_include_pad=False))
        return found


class WithoutEdges(MeanPyramid):
    """The same pyramid of means, in which no position hears of another on its level.

    S is the unit matrix: what is left is to average, to mix channels and to enlarge.
    """

    def __init__(self, channels: int, levels: int = 3) -> None:
        super().__init__(channels, levels)
        self.phi, self.diagonal = nn.ModuleList(), nn.ModuleList()

    def attend(self, x: Tensor) -> Tensor:
        """Theta on every level, enlarged and added."""
        return self._reason(x, lambda level, part: part)


class FineEdges(MeanPyramid):
    """The pyramid of means with one graph, on its finest level; coarse levels have no edges.

    No averaged pixel is ever compared with another.
    """

    def __init__(self, channels: int, levels: int = 3) -> None:
        super().__init__(channels, levels)
        self.phi, self.diagonal = self.phi[:1], self.diagonal[:1]

    def attend(self, x: Tensor) -> Tensor:
        """A graph on level 0, Theta on every level, enlarged and added."""
        factors = self.factors(0, x)
        return self._reason(x, lambda level, part: part if level else smoothed(part, *factors))


class Dilated(nn.Module):
    """Four residual 3 x 3 convolutions with holes of 1, 2, 4 and 5.

    Together they reach twelve rows and columns each way: all of a 12 x 12 picture.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=d, dilation=d) for d in (1, 2, 4, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        for layer in self.layers:
            x = x + F.relu(layer(x))
        return x
