"""Find your twin, where it is arranged whether twins share a row or a column.

The images are those of ``twin``: sources with an identity and a colour, and queries with the same
identity.  Every pair shares a line, or none does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attncourse.tasks.base import chosen, drawn_on_the_processor
from attncourse.tasks.twin import Twins

#: Whether a source and its query share a row or a column.
PLACES = ("in line", "apart")
_TRIALS = 64


@drawn_on_the_processor
@dataclass(frozen=True)
class PlacedTwins(Twins):
    """Twins in a shared row or column, or in none.

    Attributes:
        place: ``in line`` or ``apart``, in the test set too.
        warm: so many first training steps show twins in line, whatever ``place`` says.

    Raises:
        ValueError: if the pairs do not fit, or ``place`` is unknown.

    Examples:
        >>> _, _, cells = PlacedTwins(2, place="apart").test_cases()
        >>> source, query = cells[0, :, 0]
        >>> source // 8 == query // 8, source % 8 == query % 8  # row, column
        (tensor(False), tensor(False))
    """

    test_size: int = 512
    place: str = "in line"
    warm: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen("place", self.place, PLACES)

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images and their answers; in line during the first ``warm`` steps."""
        task = replace(self, place="in line", warm=0) if step < self.warm else self
        return super(PlacedTwins, task).train_batch(seed, step, size)

    def _cells(self, size: int, generator: torch.Generator) -> Tensor:
        shape, side = (size, _TRIALS, self.pairs), self.side
        row, column = (torch.randint(side, shape, generator=generator) for _ in range(2))
        down, along = (torch.randint(1, side, shape, generator=generator) for _ in range(2))
        if self.place == "in line":
            same_row = torch.rand(shape, generator=generator) < 0.5
            down, along = down.masked_fill(same_row, 0), along.masked_fill(~same_row, 0)
        source = row * side + column
        query = (row + down) % side * side + (column + along) % side
        cells = torch.cat([source, query], dim=2)
        rising = cells.sort(dim=2).values
        free = (rising.diff(dim=2) > 0).all(dim=2)  # no cell is taken twice
        if not bool(free.any(dim=1).all()):
            raise RuntimeError(f"{self.pairs} pairs found no place: use fewer, or a larger side")
        return cells[torch.arange(size), free.float().argmax(dim=1)]
