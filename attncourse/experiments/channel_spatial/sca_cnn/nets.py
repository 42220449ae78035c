"""Networks that answer a question about an image: SCA-CNN and its parts; rivals in ``rivals``.

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
from attncourse.channel_spatial.sca_cnn import rescaled
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
        normalise: centre the means and bring them to one scale before they are read: layer
            normalisation.
        louder: a fixed factor on the means before they are read.
        hidden: of the block's scorers.
        first: of the cells.
        options: of :class:`SpatialChannelAttention`.
    """

    def __init__(
        self,
        *,
        normalise: bool = False,
        louder: float = 1.0,
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
        self.louder = louder
        self.read = nn.Linear(CHANNELS, ANSWERS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        image, h = parted(x)
        return self.answered(self.block(self.cells(image), state=h))

    def answered(self, y: Tensor) -> Tensor:
        """Scores of the answers for the weighed map, (b, 4)."""
        scores: Tensor = self.read(self.louder * self.norm(y.mean(dim=(2, 3))))
        return scores


class Between(nn.Module):
    """Channel weights between the two layers of the cells, and so before the last ReLU.

    Args:
        hidden: of the channel scorer.
        first: channels that are weighed.
    """

    def __init__(self, *, hidden: int = HIDDEN, first: int = FIRST) -> None:
        super().__init__()
        self.cells = Cells(first=first)
        self.block = SpatialChannelAttention(first, hidden, QUESTION, order="C")
        self.block.question.requires_grad_(False)
        self.read = nn.Linear(CHANNELS, ANSWERS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the answers, (b, 4)."""
        image, h = parted(x)
        y = self.block(F.relu(self.cells.patch(image)), state=h)
        return self.read(F.relu(self.cells.point(y)).mean(dim=(2, 3)))


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


def softly(*, orthogonal: bool = False, **options: Any) -> Asked:
    """The network with weights of spread 0.01 in its block, and biases zero.

    Args:
        orthogonal: the square one among them starts orthogonal, as in the authors' code.
        options: of :class:`Asked`.
    """
    net = Asked(**options)
    for name, p in net.block.named_parameters():
        if name.endswith("weight"):
            nn.init.normal_(p, std=0.01)
        elif name.endswith("bias"):
            nn.init.zeros_(p)
        if orthogonal and p.ndim == 2 and p.shape[0] == p.shape[1]:
            nn.init.orthogonal_(p)
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
    return net.answered(y).argmax(dim=1)


def asked_apart(net: Asked, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of positions for the question in ``x``, and of channels for ``other``.

    Whichever comes second sees the map that the first one has weighed.
    """
    image, h = parted(x)
    block = net.block
    with torch.no_grad():
        cells = net.cells(image)
        if block.order == "SC":
            alpha, _ = block.g(cells, h)
            return alpha, _scored(block.what, block.read(alpha, cells)[:, :, None], other)
        _, beta = block.g(cells, other)
        weighed = cells * rescaled(beta, block.rescale)[:, :, None, None]
        return _scored(block.where, weighed.flatten(2).mT, h), beta


def _scored(scorer: nn.Module | None, vectors: Tensor, question: Tensor) -> Tensor:
    assert scorer is not None
    scores: Tensor = scorer(vectors, question)
    return scores.softmax(dim=1)


def another(scene: Scene) -> Tensor:
    """A question about the other attribute of the next colour."""
    return questions((scene.colour + 1) % 4, 1 - scene.attribute)


def trained(net: nn.Module) -> int:
    """How many numbers of a network learn."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)
