"""Read the grid: three handwritten digits in nine cells, to be said in reading order.

A canvas of three by three cells has a digit in three of them, and the caption is the three labels
from the top left to the bottom right.  The digits are drawn independently of each other, so that
the words already said tell nothing of the next one but its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import HiddenCases, Units, drawn_on_the_processor, seeded
from attncourse.tasks.images import digits_of

_DIGIT = 8


@drawn_on_the_processor
@dataclass(frozen=True)
class ReadTheGrid(HiddenCases):
    """Digits in some cells of a grid; the label is a caption, (b, said).

    Hidden is the cell of each digit, (b, said), counted row by row: increasing in every row.

    Attributes:
        side: cells along each side.
        said: digits in the grid, and words in the caption.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if there are more digits than cells.

    Examples:
        >>> x, y = ReadTheGrid().train_batch(seed=0, step=0, size=64)
        >>> x.shape, y.shape
        (torch.Size([64, 1, 24, 24]), torch.Size([64, 3]))
    """

    stream: ClassVar[int] = 17
    test_seed: ClassVar[int] = 17_000
    side: int = 3
    said: int = 3
    test_size: int = 1_000

    def __post_init__(self) -> None:
        if not 1 <= self.said <= self.side**2:
            raise ValueError(
                f"said={self.said} digits do not fit into {self.side**2} cells: take 1 to "
                f"{self.side**2}"
            )

    def test_units(self) -> Units:
        """The digit of every word of the test set: test items are words."""
        asked = self._draw(self.test_size, seeded(self.test_seed), train=False)[3]
        return Units("digits", asked.flatten())

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        asked = torch.randint(len(labels), (size, self.said), generator=generator)
        order = torch.rand(size, self.side**2, generator=generator).argsort(dim=1)
        cells = order[:, : self.said].sort(dim=1).values
        grid = torch.zeros(size, self.side**2, _DIGIT, _DIGIT)
        grid[torch.arange(size)[:, None], cells] = images[asked, 0]
        rows = grid.view(size, self.side, self.side, _DIGIT, _DIGIT).transpose(2, 3)
        x = rows.reshape(size, 1, self.side * _DIGIT, self.side * _DIGIT)
        return x, labels[asked], cells, asked


def occupied_cells(x: Tensor) -> Tensor:
    """Which cells hold a digit, (b, cells) of True and False: those with any ink."""
    ink = x[:, 0].unfold(1, _DIGIT, _DIGIT).unfold(2, _DIGIT, _DIGIT).sum(dim=(3, 4))
    return ink.flatten(1) > 0


def cells_in_order(x: Tensor, said: int) -> Tensor:
    """The cell of each of ``said`` digits, (b, said), in reading order."""
    return occupied_cells(x).nonzero()[:, 1].view(len(x), said)
