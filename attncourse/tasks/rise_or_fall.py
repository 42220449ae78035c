"""Rise or fall: the channels are levels of one quantity, in order, and a line runs through them.

A picture has 16 channels, 4 rows and 16 columns.  In column j the level k + j, or k - j, counted
around, is 1 in all rows, and the 15 other levels are 0; k is drawn, and noise is added everywhere.
Does the line rise or fall?

A rising picture with its columns in reverse order is a falling one, and both are in the batch.  So
whatever does not mind columns changing places is right in exactly one half of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import DrawnCases, Units, drawn_on_the_processor

LEVELS, ROWS, NOISE = 16, 4, 0.5


@drawn_on_the_processor
@dataclass(frozen=True)
class RiseOrFall(DrawnCases):
    """Lines through levels; the second half of a batch is the first one in reverse order.

    Attributes:
        test_size: number of fixed test pictures.

    Examples:
        >>> x, y = RiseOrFall().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 16, 4, 16]), torch.Size([32]))
    """

    stream: ClassVar[int] = 62
    test_seed: ClassVar[int] = 62_000
    test_size: int = 2_048

    @property
    def classes(self) -> int:
        """Falls and rises."""
        return 2

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (size, 16, 4, 16), and whether the line rises."""
        half = (size + 1) // 2
        y = torch.randint(2, (half,), generator=g)
        start = torch.randint(LEVELS, (half, 1), generator=g)
        level = (start + (2 * y[:, None] - 1) * torch.arange(LEVELS)) % LEVELS
        line = F.one_hot(level, LEVELS).mT.float()[:, :, None]
        x = line + NOISE * torch.randn(half, LEVELS, ROWS, LEVELS, generator=g)
        return torch.cat([x, x.flip(3)])[:size], torch.cat([y, 1 - y])[:size]

    def test_units(self) -> Units:
        """A picture and the same in reverse order."""
        half = (self.test_size + 1) // 2
        return Units("pairs", torch.arange(self.test_size) % half)
