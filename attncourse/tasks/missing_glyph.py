"""Fill the missing glyph: the one cell that has the same pattern holds the answer.

An image is a raster of cells of 6 x 6 pixels.  The upper half of a cell is its *pattern*, 18
pixels of -1 or 1 drawn anew for every cell of every image; the lower half is one of four fixed
*glyphs*.  In one cell, the blank, the lower half is empty, and its pattern is that of one other
cell, its twin.  The class of the image is the twin's glyph.  Noise lies on every pixel.

Without the patterns all that an image tells is how often each glyph is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from math import factorial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.layers import whole
from attncourse.tasks.base import DrawnCases, drawn_on_the_processor

CELL, GLYPHS, NOISE = 6, 4, 0.1
_HALF = CELL // 2
_GLYPH_SEED = 7


def glyphs() -> Tensor:
    """The four glyphs, (4, 3, 6), of -1 and 1: fixed once for all images."""
    return _signs((GLYPHS, _HALF, CELL), torch.Generator("cpu").manual_seed(_GLYPH_SEED))


@drawn_on_the_processor
@dataclass(frozen=True)
class MissingGlyph(DrawnCases):
    """Rasters of cells with one blank and its twin.

    Attributes:
        side: cells along each side.
        test_size: number of fixed test images.

    Examples:
        >>> x, y = MissingGlyph().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 1, 24, 24]), torch.Size([32]))
    """

    stream: ClassVar[int] = 23
    test_seed: ClassVar[int] = 23_000
    side: int = 4
    test_size: int = 2_000

    def __post_init__(self) -> None:
        whole(side=self.side, test_size=self.test_size)
        if self.side < 2:
            raise ValueError(f"side={self.side} must be at least 2: a blank needs a twin")

    @property
    def classes(self) -> int:
        """Four glyphs."""
        return GLYPHS

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images, missing glyphs, and the cells of blank and twin, (size, 2)."""
        cells, images = self.side**2, torch.arange(size)
        pattern = _signs((size, cells, _HALF, CELL), generator)
        which = torch.randint(GLYPHS, (size, cells), generator=generator)
        at = torch.rand(size, cells, generator=generator).argsort(dim=1)[:, :2]
        blank, twin = at.unbind(dim=1)
        pattern[images, blank] = pattern[images, twin]
        lower = glyphs()[which]
        lower[images, blank] = 0
        x = torch.cat([pattern, lower], dim=2).unflatten(1, (self.side, self.side))
        x = x.transpose(2, 3).reshape(size, 1, self.side * CELL, self.side * CELL)
        x = x + NOISE * torch.randn(x.shape, generator=generator)
        return x, which[images, twin], at


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(2, shape, generator=generator) * 2.0 - 1.0


def most_right_by_counting(cells: int = 16) -> float:
    """Highest share of right answers of a reader who knows how often each glyph is there.

    The twin may be any of the visible cells, so the best answer is the most frequent glyph: the
    mean of the largest of four counts, over the number of visible cells.
    """
    visible = cells - 1
    expected = 0.0
    for counts in _counts(visible, GLYPHS):
        ways = factorial(visible)
        for count in counts:
            ways //= factorial(count)
        expected += ways * max(counts) / GLYPHS**visible
    return expected / visible


def right_by_counting(x: Tensor, answers: Tensor, blanks: Tensor) -> Tensor:
    """Chance of each image that the most frequent visible glyph is the answer; ties share."""
    cells = F.unfold(x, CELL, stride=CELL).mT.unflatten(2, (CELL, CELL))[:, :, _HALF:]
    which = torch.einsum("ncij,gij->ncg", cells, glyphs()).argmax(dim=2)
    seen = F.one_hot(which, GLYPHS)
    images = torch.arange(len(x))
    seen[images, blanks] = 0
    counts = seen.sum(dim=1)
    first = (counts == counts.amax(dim=1, keepdim=True)).double()
    return first[images, answers] / first.sum(dim=1)


def _counts(total: int, kinds: int) -> list[tuple[int, ...]]:
    """All ways to write ``total`` as an ordered sum of ``kinds`` numbers of at least 0."""
    found = []
    for ends in combinations_with_replacement(range(total + 1), kinds - 1):
        edges = (0, *ends, total)
        found.append(tuple(b - a for a, b in pairwise(edges)))
    return found
