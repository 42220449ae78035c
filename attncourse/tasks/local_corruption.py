"""Local corruption: one digit in several channels, and in each some regions are covered.

Every channel shows the same handwritten digit.  Each copy is cut into square regions, and each
region is covered by itself, by a chance: bright clutter is added to it.  No copy is clean
everywhere, and yet almost every place is clean in some copy.  The label is the digit.

The side of the regions is the variable: where it is the side of the image, a whole copy is covered
or none of it, and one gate for a copy is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import HiddenCases, drawn_on_the_processor
from attncourse.tasks.images import digits_of

_SIDE = 8


@drawn_on_the_processor
@dataclass(frozen=True)
class LocalCorruption(HiddenCases):
    """Copies of one digit of 8 x 8 pixels, with a share of their regions under clutter.

    Hidden is which pixels are covered, (b, copies, 8, 8).

    Attributes:
        copies: how many channels show the digit.
        region: side of the square regions, 1, 2, 4 or 8 pixels.
        covered: chance of a region to be covered, whatever becomes of the others.
        mean: mean of the clutter that is added to a covered pixel.
        spread: standard deviation of the clutter.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if there is no copy, or a number does not suit its meaning.

    Examples:
        >>> x, y = LocalCorruption().train_batch(seed=0, step=0, size=128)
        >>> x.shape
        torch.Size([128, 8, 8, 8])
    """

    stream: ClassVar[int] = 14
    test_seed: ClassVar[int] = 14_000
    copies: int = 8
    region: int = 4
    covered: float = 0.6
    mean: float = 2.5
    spread: float = 1.5
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies={self.copies} must be at least 1")
        if self.region not in (1, 2, 4, 8):
            raise ValueError(f"region={self.region} must divide the side of 8: 1, 2, 4 or 8")
        if not 0 <= self.covered <= 1:
            raise ValueError(f"covered={self.covered} is a chance: choose a number from 0 to 1")
        if not self.spread >= 0:
            raise ValueError(f"spread={self.spread} must be a number of at least 0")

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        shown = torch.randint(len(labels), (size,), generator=generator)
        regions = _SIDE // self.region
        chance = torch.rand(size, self.copies, regions, regions, generator=generator)
        covered = chance < self.covered
        for axis in (2, 3):
            covered = covered.repeat_interleave(self.region, dim=axis)
        noise = torch.randn(size, self.copies, _SIDE, _SIDE, generator=generator)
        clutter = self.mean + self.spread * noise
        return images[shown] + covered * clutter, labels[shown], covered, shown
