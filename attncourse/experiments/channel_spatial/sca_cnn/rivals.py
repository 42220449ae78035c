"""Ordinary rivals of SCA-CNN, which answer the same questions by other means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel_spatial import SpatialChannelAttention
from attncourse.experiments.channel_spatial.sca_cnn.nets import (
    ANSWERS,
    CHANNELS,
    FIRST,
    HIDDEN,
    Cells,
)
from attncourse.tasks.asked_object import CELL, PLANES, QUESTION, parted


class Blind(nn.Module):
    """Cells, their mean and a hidden layer: nobody tells the question."""

    def __init__(self, first: int = FIRST, hidden: int = 48) -> None:
        super().__init__()
        self.cells = Cells(first=first)
        self.read = nn.Sequential(
            nn.Linear(CHANNELS, hidden), nn.ReLU(), nn.Linear(hidden, ANSWERS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        return self.read(self.cells(parted(x)[0]).mean(dim=(2, 3)))


class AskedReadout(nn.Module):
    """The mean of the cells, and a hidden layer that sees it beside the question.

    Args:
        attend: take the mean under the weights of the positions, in place of the plain one.
        hidden: width of the hidden layer.
        first: of the cells.
    """

    def __init__(self, *, attend: bool = False, hidden: int = 40, first: int = FIRST) -> None:
        super().__init__()
        self.cells = Cells(first=first)
        self.block = None
        if attend:
            self.block = SpatialChannelAttention(CHANNELS, HIDDEN, QUESTION, order="S")
            self.block.question.requires_grad_(False)
        self.read = nn.Sequential(
            nn.Linear(CHANNELS + QUESTION, hidden), nn.ReLU(), nn.Linear(hidden, ANSWERS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        image, h = parted(x)
        y = self.cells(image)
        if self.block is not None:
            y = self.block(y, state=h)
        return self.read(torch.cat([y.mean(dim=(2, 3)), h], dim=1))


class AskedCells(nn.Module):
    """A perceptron at each cell that sees the question beside the cell; then the plain mean.

    Args:
        first: channels of the first layer.
        channels: of the second.
    """

    def __init__(self, first: int = FIRST, channels: int = 49) -> None:
        super().__init__()
        self.patch = nn.Conv2d(PLANES, first, CELL, stride=CELL)
        self.ask = nn.Linear(QUESTION, first, bias=False)
        self.point = nn.Conv2d(first, channels, 1)
        self.read = nn.Linear(channels, ANSWERS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        image, h = parted(x)
        y = F.relu(self.patch(image) + self.ask(h)[:, :, None, None])
        return self.read(F.relu(self.point(y)).mean(dim=(2, 3)))


class Modulated(nn.Module):
    """FiLM: the question scales and shifts the channels of both layers, at all cells alike.

    Args:
        first: channels of the first layer.
        channels: of the second.
        scales: whether the question scales.
        shifts: whether it shifts.
    """

    def __init__(
        self,
        first: int = 68,
        channels: int = CHANNELS,
        *,
        scales: bool = True,
        shifts: bool = True,
    ) -> None:
        super().__init__()
        self.patch = nn.Conv2d(PLANES, first, CELL, stride=CELL)
        self.point = nn.Conv2d(first, channels, 1)
        self.scale = _asked(scales, first, channels)
        self.shift = _asked(shifts, first, channels)
        self.read = nn.Linear(channels, ANSWERS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        y, h = parted(x)
        for n, layer in enumerate((self.patch, self.point)):
            y = layer(y)
            if self.scale is not None:
                y = (1 + self.scale[n](h))[:, :, None, None] * y
            if self.shift is not None:
                y = y + self.shift[n](h)[:, :, None, None]
            y = F.relu(y)
        return self.read(y.mean(dim=(2, 3)))


def _asked(there: bool, *widths: int) -> nn.ModuleList | None:
    """For each layer a linear map of the question, if there are any."""
    if not there:
        return None
    return nn.ModuleList(nn.Linear(QUESTION, width, bias=False) for width in widths)
