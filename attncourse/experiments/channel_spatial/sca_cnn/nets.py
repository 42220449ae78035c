"""Networks that answer a question about an image: SCA-CNN, its parts, and ordinary rivals.

All see each cell through the same first layer, take the mean over the cells, and answer; they
differ in where the question enters.  Widths are chosen so that all have as many parameters, within
one in a hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel_spatial import SpatialChannelAttention
from attncourse.tasks.asked_object import (
    CELL,
    PLANES,
    QUESTION,
    Scene,
    parted,
    questions,
)

FIRST, CHANNELS, HIDDEN, ANSWERS = 64, 32, 32, 4


class Cells(nn.Module):
    """Two layers that see one cell each: (b, 3, 16, 16) -> (b, channels, 4, 4).

    Args:
        channels: of what comes out.
        first: channels between the layers.
    """

    def __init__(self, channels: int = CHANNELS, first: int = FIRST) -> None:
        super().__init__()
        self.patch = nn.Conv2d(PLANES, first, CELL, stride=CELL)
        self.point = nn.Conv2d(first, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Features of the sixteen cells."""
        return F.relu(self.point(F.relu(self.patch(image))))


class Asked(nn.Module):
    """Cells, the block, the mean over the cells and a linear readout that knows no question.

    Args:
        normalise: give the means a common scale before they are read: layer normalisation.
        hidden: of the block's scorers.
        first: of the cells.
        options: of :class:`SpatialChannelAttention`.
    """

    def __init__(
        self,
        *,
        normalise: bool = False,
        hidden: int = HIDDEN,
        first: int = FIRST,
        block: Callable[..., SpatialChannelAttention] = SpatialChannelAttention,
        **options: Any,
    ) -> None:
        super().__init__()
        self.cells = Cells(first=first)
        self.block = block(CHANNELS, hidden, QUESTION, **options)
        self.block.question.requires_grad_(False)  # somebody asks
        self.norm = nn.LayerNorm(CHANNELS) if normalise else nn.Identity()
        self.read = nn.Linear(CHANNELS, ANSWERS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        image, h = parted(x)
        y = self.block(self.cells(image), state=h)
        return self.read(self.norm(y.mean(dim=(2, 3))))


class OwnChannels(SpatialChannelAttention):
    """Each channel has a score of its own: means and question through a layer, then one row each.

    A score then depends on which channel it is, and not on its mean alone.
    """

    def __init__(self, channels: int, hidden: int, state: int, *, own: int, **options: Any) -> None:
        super().__init__(channels, hidden, state, **options)
        self.what = _Rows(channels, state, own)  # type: ignore[assignment]


class _Rows(nn.Module):
    def __init__(self, channels: int, state: int, hidden: int) -> None:
        super().__init__()
        self.look = nn.Linear(channels, hidden)
        self.ask = nn.Linear(state, hidden, bias=False)
        self.score = nn.Linear(hidden, channels)

    def forward(self, means: Tensor, question: Tensor) -> Tensor:
        return self.score(torch.tanh(self.look(means[:, :, 0]) + self.ask(question)))


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


class Table(SpatialChannelAttention):
    """Channel weights that the question alone decides: a row of numbers for each of its entries."""

    def __init__(self, channels: int, hidden: int, state: int, **options: Any) -> None:
        super().__init__(channels, hidden, state, **options)
        self.what = _Table(channels, state)  # type: ignore[assignment]


class _Table(nn.Module):
    def __init__(self, channels: int, state: int) -> None:
        super().__init__()
        self.ask = nn.Linear(state, channels)

    def forward(self, means: Tensor, question: Tensor) -> Tensor:
        return self.ask(question)


def softly(**options: Any) -> Asked:
    """The network with the start of the authors' code in its block: spread 0.01, biases zero."""
    net = Asked(**options)
    for name, p in net.block.named_parameters():
        if name.endswith("weight"):
            nn.init.normal_(p, std=0.01)
        elif name.endswith("bias"):
            nn.init.zeros_(p)
    return net


def weights_of(net: Asked, x: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of positions and channels for what the task gives."""
    image, h = parted(x)
    with torch.no_grad():
        alpha, beta = net.block.g(net.cells(image), h)
    return alpha, beta


def answer_by(net: Asked, x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """What a network answers with the given weights in place of its own."""
    y = net.block.f((alpha, beta), net.cells(parted(x)[0]))
    answers: Tensor = net.read(net.norm(y.mean(dim=(2, 3)))).argmax(dim=1)
    return answers


def another(scene: Scene) -> Tensor:
    """A question about the other attribute of the next colour."""
    return questions((scene.colour + 1) % 4, 1 - scene.attribute)


def trained(net: nn.Module) -> int:
    """How many numbers of a network learn."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
