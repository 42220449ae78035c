"""The networks that follow arrows and read digits of all sizes, and their controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import DeformableConvolution
from attncourse.spatial.deformable_convolution import deformable_convolution

# ---------------------------------------------------------------- follow the arrow


class Follower(nn.Module):
    """One deformable tap and nine numbers: three weights and a bias for each offset, and a weight.

    It looks at values and arrows, and reads values.

    Args:
        frozen: the tap stays where it stands.
        start: what the offsets are at first, as a multiple of the arrow; 4 is the law.
    """

    def __init__(self, *, frozen: bool = False, start: float = 0.0) -> None:
        super().__init__()
        self.side, self.weight = nn.Conv2d(3, 2, 1), nn.Parameter(torch.empty(1, 1, 1, 1))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        nn.init.zeros_(self.side.weight)
        nn.init.zeros_(self.side.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.side.weight[0, 1] = self.side.weight[1, 2] = start
        self.side.requires_grad_(not frozen)

    def forward(self, x: Tensor) -> Tensor:
        """What stands where the tap goes, times the weight."""
        offsets = self.side(x).movedim(1, -1)[:, None]
        return deformable_convolution(x[:, :1].contiguous(), self.weight, None, offsets)


def convolutions(widths: Sequence[int], size: int = 3) -> nn.Sequential:
    """Ordinary convolutions with ReLUs between them, from three channels to one."""
    layers: list[nn.Module] = []
    for before, after in pairwise((3, *widths, 1)):
        layers += [nn.Conv2d(before, after, size, padding=size // 2), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class PredictedWeights(nn.Module):
    """A weight for every pixel of a window, predicted at every position: no places, but shares.

    The strongest rival: it sees the same arrows, may read the same pixels, and every weight has a
    slope from the first step on, however far its pixel is.

    Args:
        reach: pixels of the window on each side.
        hidden: units between arrows and weights.
    """

    def __init__(self, reach: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.window = 2 * reach + 1
        self.scores = nn.Sequential(
            nn.Conv2d(3, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(),
            nn.Conv2d(hidden, self.window**2, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The weighted sum of the values around each position."""
        near = F.unfold(x[:, :1], self.window, padding=self.window // 2)
        weights = self.scores(x).flatten(2).softmax(dim=1)
        return (weights * near).sum(dim=1, keepdim=True).unflatten(2, x.shape[2:])


# ---------------------------------------------------------------- digits of all sizes


class StaticOffsets(DeformableConvolution):
    """Offsets that are learned, but the same at every position of every image."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, bias=False)
        self.side.weight.requires_grad_(False)


class DigitNet(nn.Module):
    """Two convolutions, two layers to be chosen, a mean over places, a linear readout.

    Args:
        layer: width -> a layer that keeps width and size.
        width: channels of the last maps.
    """

    def __init__(self, layer: Callable[[int], nn.Module], width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width),
            nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
            nn.ReLU(),
        )  # fmt: skip
        self.first, self.second = layer(width), layer(width)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.readout = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.stem(x)
        for layer, norm in zip((self.first, self.second), self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.readout(x.mean(dim=(2, 3)))


def plain(size: int = 3, dilation: int = 1) -> Callable[[int], nn.Module]:
    """An ordinary convolution in the place of the deformable one."""
    reach = dilation * (size - 1) // 2
    return lambda c: nn.Conv2d(c, c, size, padding=reach, dilation=dilation, bias=False)


def deformable(**options: object) -> Callable[[int], nn.Module]:
    """The mechanism, in one of its forms."""
    return lambda c: DeformableConvolution(c, bias=False, **options)  # type: ignore[arg-type]
