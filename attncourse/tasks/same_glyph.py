"""Same or different: two glyphs of a fixed alphabet stand somewhere in an image of noise.

An image has 4 x 4 cells of 4 x 4 pixels.  Two of the cells hold a glyph of an alphabet of four,
the others nothing, and noise lies on every pixel.  The class is 1 if the two glyphs are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import DrawnCases, drawn_on_the_processor

SIDE, CELL, GLYPHS, NOISE = 4, 4, 4, 0.3
_GLYPH_SEED = 7


@drawn_on_the_processor
@dataclass(frozen=True)
class SameGlyph(DrawnCases):
    """Images with two glyphs, the same in half of the cases.

    Attributes:
        test_size: number of fixed test images.

    Examples:
        >>> x, y = SameGlyph().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 1, 16, 16]), torch.Size([32]))
    """

    stream: ClassVar[int] = 25
    test_seed: ClassVar[int] = 25_000
    test_size: int = 2_000

    @property
    def classes(self) -> int:
        """Different or same."""
        return 2

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw images and classes."""
        known = torch.Generator("cpu").manual_seed(_GLYPH_SEED)
        alphabet = torch.randint(2, (GLYPHS, CELL * CELL), generator=known) * 2.0 - 1.0
        y = torch.randint(2, (size,), generator=generator)
        first = torch.randint(GLYPHS, (size,), generator=generator)
        other = (first + torch.randint(1, GLYPHS, (size,), generator=generator)) % GLYPHS
        second = torch.where(y == 1, first, other)
        at = torch.rand(size, SIDE**2, generator=generator).argsort(dim=1)
        images, cells = torch.arange(size), torch.zeros(size, SIDE**2, CELL * CELL)
        cells[images, at[:, 0]] = alphabet[first]
        cells[images, at[:, 1]] = alphabet[second]
        x = cells.view(size, SIDE, SIDE, CELL, CELL).transpose(2, 3)
        x = x.reshape(size, 1, SIDE * CELL, SIDE * CELL)
        return x + NOISE * torch.randn(x.shape, generator=generator), y
