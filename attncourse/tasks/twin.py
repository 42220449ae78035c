"""Find your twin: recall of a colour by an identity, on a grid.

Every image shows K pairs of cells.  A *source* carries a random identity and a random colour; its
twin, the *query*, carries the same identity and a flag, but no colour.  All other cells are
empty.  The answer is the colour that belongs at each query.

==========  =========================================================================
channels    hold
==========  =========================================================================
0 to 3      the identity, a random unit vector
4 to 6      the colour, uniform from -1 to 1; zero at the query
7           the flag: 1 at queries
==========  =========================================================================

Where the pair stands says nothing, so that no fixed offset helps: a query has to be compared
with every other cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import DrawnCases, answers_of, drawn_on_the_processor

#: Channels of the input and of the colour, and the width of an identity.
CHANNELS, COLOURS, IDENTITY = 8, 3, 4
#: Variance of a colour that is uniform from -1 to 1.
VARIANCE = 1 / 3


@drawn_on_the_processor
@dataclass(frozen=True)
class Twins(DrawnCases):
    """Images with ``pairs`` pairs of cells.

    Attributes:
        pairs: number K of pairs in an image.
        side: rows and columns of the grid.
        test_size: number of fixed test images.

    Raises:
        ValueError: if the pairs do not fit on the grid.

    Examples:
        >>> x, y = Twins().train_batch(seed=0, step=0, size=64)
        >>> x.shape, y.shape  # identity, colour, flag; colour, flag
        (torch.Size([64, 8, 8, 8]), torch.Size([64, 4, 8, 8]))
    """

    stream: ClassVar[int] = 3
    test_seed: ClassVar[int] = 2_018
    pairs: int = 3
    side: int = 8
    test_size: int = 1_024

    def __post_init__(self) -> None:
        if not 1 <= self.pairs <= self.side**2 // 2:
            raise ValueError(
                f"pairs={self.pairs} does not fit a grid of {self.side} x {self.side}: "
                f"choose a number from 1 to {self.side**2 // 2}"
            )

    @property
    def classes(self) -> int:
        """None: a colour is three numbers."""
        return 0

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images.

        Returns:
            the images, (size, 8, side, side); the answers, (size, 4, side, side), which hold the
            colour and the flag at queries and zero elsewhere; and the cells, (size, 2, pairs):
            where each source and its query stand, counted in reading order.
        """
        count = self.side**2
        cells = self._cells(size, generator)
        identity = torch.randn(size, self.pairs, IDENTITY, generator=generator)
        identity = F.normalize(identity, dim=2)
        colour = 2 * torch.rand(size, self.pairs, COLOURS, generator=generator) - 1
        flag = torch.ones(size, self.pairs, 1)
        source = torch.cat([identity, colour, 0 * flag], dim=2)
        query = torch.cat([identity, 0 * colour, flag], dim=2)
        x = _placed(torch.cat([source, query], dim=1), cells, count)
        y = _placed(torch.cat([colour, flag], dim=2), cells[:, self.pairs :], count)
        grid = (self.side, self.side)
        return x.unflatten(2, grid), y.unflatten(2, grid), cells.unflatten(1, (2, self.pairs))

    def _cells(self, size: int, generator: torch.Generator) -> Tensor:
        """Where things stand, (size, 2 * pairs): all sources, then their queries; no cell twice."""
        drawn = torch.rand(size, self.side**2, generator=generator)
        return drawn.argsort(dim=1)[:, : 2 * self.pairs]


def _placed(values: Tensor, cells: Tensor, count: int) -> Tensor:
    """(b, k, c) written into the cells (b, k) of empty images, (b, c, count)."""
    empty = torch.zeros(*values.shape[::2], count)
    return empty.scatter(2, cells[:, None, :].expand(-1, values.shape[2], -1), values.mT)


def colour_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Mean squared error over the queries alone; (b, 3, h, w) and (b, 4, h, w) -> a number."""
    colour, flag = answers.split([COLOURS, 1], dim=1)
    return (flag * (outputs - colour).square()).sum() / (COLOURS * flag.sum())


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each test image contributes to R², (n,) in float64: the mean is :func:`explained`."""
    colour, flag = y.double().split([COLOURS, 1], dim=1)
    errors = (flag * (answers_of(model, x).double() - colour).square()).sum(dim=(1, 2, 3))
    return 1 - errors / (COLOURS * flag.sum() / len(x)) / VARIANCE


def explained(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share R² of the colours' variance that the model explains, 1 at best, 0 for saying 0."""
    return float(explained_items(model, x, y).mean())
