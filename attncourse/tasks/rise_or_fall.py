"""Rise or fall: the channels are levels of one quantity, in order, and a line runs through them.

A picture has 16 channels, 4 rows and 16 columns.  In column j the level k + j, or k - j, counted
around, is 1 in all rows, and the 15 other levels are 0; k is drawn, and noise is added everywhere.
Does the line rise or fall?

A rising picture with its columns in reverse order is a falling one, drawn as likely.  So whatever
does not mind columns changing places is right in one half of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import DrawnCases, drawn_on_the_processor

LEVELS, ROWS, NOISE = 16, 4, 0.5


@drawn_on_the_processor
@dataclass(frozen=True)
class RiseOrFall(DrawnCases):
    """Lines through levels; every second one of a batch rises.

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
        y = torch.arange(size) % 2
        start = torch.randint(LEVELS, (size, 1), generator=g)
        level = (start + (2 * y[:, None] - 1) * torch.arange(LEVELS)) % LEVELS
        line = F.one_hot(level, LEVELS).mT.float()[:, :, None]
        return line + NOISE * torch.randn(size, LEVELS, ROWS, LEVELS, generator=g), y
