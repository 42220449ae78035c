"""Networks around one block, and the rivals that get what it gets, or that see for themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel_spatial import CoordinateAttention
from attncourse.experiments.channel_spatial.convolutional_block_attention.nets import per_pixel
from attncourse.tasks.rise_or_fall import LEVELS

WIDTH = 16


def filler(given: int, block: Callable[[int], nn.Module]) -> nn.Module:
    """Layers of one pixel around a block of 16 channels: no other way between pixels."""
    return per_pixel(given, block(WIDTH), WIDTH, bent=True)


def blocks_and_layers(channels: int, count: int = 2) -> list[nn.Module]:
    """Blocks of coordinate attention with a layer of one pixel and a ReLU behind each."""
    return [
        part
        for _ in range(count)
        for part in (CoordinateAttention(channels), nn.Conv2d(channels, channels, 1), nn.ReLU())
    ]


def deep(channels: int) -> nn.Module:
    """Three blocks with a layer of one pixel behind each but the last."""
    return nn.Sequential(*blocks_and_layers(channels), CoordinateAttention(channels))


def neighbours_first() -> nn.Module:
    """A 3x3 convolution, then two blocks of coordinate attention and layers of one pixel."""
    first = nn.Conv2d(1, WIDTH, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), *blocks_and_layers(WIDTH), nn.Conv2d(WIDTH, 1, 1))


class RowsAlone(CoordinateAttention):
    """The gates of columns are left out; no layer makes them.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.of_columns = None  # type: ignore[assignment]

    def attend(self, x: Tensor) -> Tensor:
        """``p x``, (b, c, h, w)."""
        u = F.hardswish(self.norm(self.reduce(x.mean(dim=3))))
        return x * torch.sigmoid(self.of_rows(u))[..., None]


class MeansGiven(nn.Module):
    """An ordinary layer that gets the two means beside the pixel, and no gate.

    Args:
        channels: of the features.
        hidden: units of the layer.
    """

    def __init__(self, channels: int, hidden: int = 6) -> None:
        super().__init__()
        self.inside = nn.Conv2d(3 * channels, hidden, 1)
        self.back = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        rows = x.mean(dim=3, keepdim=True).expand_as(x)
        columns = x.mean(dim=2, keepdim=True).expand_as(x)
        return x + self.back(F.relu(self.inside(torch.cat([x, rows, columns], dim=1))))


def dilated(given: int, widths: tuple[int, ...] = (8, 8, 4)) -> nn.Module:
    """3x3 convolutions of dilation 1, 2, 4, ... with ReLUs: each pixel sees 15x15 after three."""
    layers: list[nn.Module] = []
    for depth, width in enumerate(widths):
        layers += [nn.Conv2d(given, width, 3, padding=2**depth, dilation=2**depth), nn.ReLU()]
        given = width
    return nn.Sequential(*layers, nn.Conv2d(given, 1, 1))


class Shuffled(nn.Module):
    """Channels in an order that is drawn once, when the network is built."""

    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.randperm(LEVELS))

    def forward(self, x: Tensor) -> Tensor:
        """The same channels in another order."""
        return x[:, self.order]


def reader(*before: nn.Module, channels: int = LEVELS) -> nn.Module:
    """Blocks, then a linear readout of the mean of every channel."""
    head = nn.Linear(channels, 2)
    return nn.Sequential(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def ordinary(width: int, *before: nn.Module) -> nn.Module:
    """One 3x3 convolution over all channels, a ReLU, and the same readout."""
    conv = nn.Conv2d(LEVELS, width, 3, padding=1)
    return reader(*before, conv, nn.ReLU(), channels=width)
