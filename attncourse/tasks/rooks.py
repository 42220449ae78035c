"""Rooks: every pixel must know which of eight things stand in its row and in its column.

Eight rooks stand so that every row and every column has one.  A free cell answers with the mean
of two colours, that of the rook in its row and that of the rook in its column.  All eight colours
are in plain sight; which two of them count is a matter of the place, and of nothing else.

==========  =========================================================================
channels    hold
==========  =========================================================================
0           +2 at a rook, with noise of spread 0.3 everywhere
1 to 3      the rook's colour, uniform from -1 to 1, with noise of spread 0.1 everywhere
==========  =========================================================================

With :class:`TwoColours` a rook is black or white, and a free cell says whether both are black,
one of each, or both white.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import ClassVar

import torch
from torch import Tensor, nn

from attncourse.tasks.base import answers_of, drawn_on_the_processor, seeded
from attncourse.tasks.twin import COLOURS, VARIANCE
from attncourse.tasks.twin import explained_items as of_one_colour

CHANNELS, CUE, CUE_NOISE, COLOUR_NOISE = 1 + COLOURS, 2.0, 0.3, 0.1


@drawn_on_the_processor
@dataclass(frozen=True)
class Rooks:
    """Boards with one coloured rook in every row and column.

    Attributes:
        side: rows, columns and rooks.
        test_size: number of fixed test boards.

    Examples:
        >>> x, y = Rooks().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape  # cue and colour; the answer, and 1 at free cells
        (torch.Size([32, 4, 8, 8]), torch.Size([32, 4, 8, 8]))
    """

    test_seed: ClassVar[int] = 2_020
    side: int = 8
    test_size: int = 512

    @property
    def classes(self) -> int:
        """None: a colour is three numbers."""
        return 0

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` boards and what belongs at their free cells."""
        return self.draw(size, seeded(seed, step, 10))

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test boards and what belongs at their free cells."""
        return self.draw(self.test_size, seeded(self.test_seed))

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw boards (size, 4, side, side), and answers with a flag at free cells."""
        rook = _rooks(size, self.side, generator)
        colour = 2 * torch.rand(size, COLOURS, self.side, 1, generator=generator) - 1
        placed = colour * rook  # the colour of the rook in row i, where it stands
        cue = _noise(CUE_NOISE, size, 1, self.side, generator) + CUE * rook
        seen = _noise(COLOUR_NOISE, size, COLOURS, self.side, generator) + placed
        mean = (placed.sum(dim=3, keepdim=True) + placed.sum(dim=2, keepdim=True)) / 2
        free = 1 - rook
        return torch.cat([cue, seen], dim=1), torch.cat([mean * free, free], dim=1)


@drawn_on_the_processor
@dataclass(frozen=True)
class TwoColours(Rooks):
    """Boards with black and white rooks; every cell says 0, 1 or 2, its number of white ones.

    A rook counts itself twice: it answers 0 or 2.  Channel 1 holds +1.5 or -1.5 at a rook, and
    noise has a spread of 0.3 in all three channels.

    Examples:
        >>> x, y = TwoColours().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 3, 8, 8]), torch.Size([32, 8, 8]))
    """

    @property
    def classes(self) -> int:
        """Both black, one of each, both white."""
        return 3

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw boards (size, 3, side, side) and the class of every cell."""
        rook = _rooks(size, self.side, generator)
        white = (torch.rand(size, 1, self.side, 1, generator=generator) < 0.5).float() * rook
        x = _noise(CUE_NOISE, size, 3, self.side, generator)
        x[:, 0:1] += CUE * rook
        x[:, 1:2] += 1.5 * (2 * white - rook)
        both = white.sum(dim=3, keepdim=True) + white.sum(dim=2, keepdim=True)
        return x, both[:, 0].round().long()


def _rooks(size: int, side: int, generator: torch.Generator) -> Tensor:
    """Permutation matrices, (size, 1, side, side)."""
    at = torch.rand(size, side, generator=generator).argsort(dim=1)
    return torch.zeros(size, side, side).scatter(2, at[:, :, None], 1.0)[:, None]


def _noise(spread: float, size: int, k: int, side: int, generator: torch.Generator) -> Tensor:
    return spread * torch.randn(size, k, side, side, generator=generator)


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each board contributes to R², (n,): the mean of two colours varies half as much."""
    return 1 - 2 * (1 - of_one_colour(model, x, y))


def right_cells(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The share of right cells of each board, (n,), for classes (n, h, w)."""
    return (answers_of(model, x).argmax(dim=1) == y).double().mean(dim=(1, 2))


def most_explained() -> float:
    """R² of a reader who knows its two rooks and reads their colours through the noise."""
    return VARIANCE / (VARIANCE + COLOUR_NOISE**2)


def most_explained_blind(rooks: int = 8) -> float:
    """Highest R² of a reader who sees all rooks, but not where they stand: 2 / rooks.

    Its two rooks may be any two of the k.  The best answer is then the mean of all, which has a
    variance of s / k, and the mean of two has s / 2.
    """
    return 2 / rooks


def most_right_blind(rooks: int = 8) -> tuple[float, float]:
    """Highest share of right cells with two colours for such a reader: of the free ones, of all.

    With w white ones the shares of 0, 1 and 2 white among ordered pairs of different rooks are
    known; the best constant takes the largest.  A rook sees its own colour.
    """
    k, free = rooks, 0.0
    for w in range(k + 1):
        shares = ((k - w) * (k - w - 1), 2 * w * (k - w), w * (w - 1))
        free += comb(k, w) / 2**k * max(shares) / (k * (k - 1))
    return free, (free * (k - 1) + 1) / k
