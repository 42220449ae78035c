"""Cue and look: a small mark in the middle says in which corner the answer stands.

Each corner holds a handwritten digit.  In the middle a dim square of four by four has one bright
quadrant, which names a corner; the label is the digit in that corner.  A reader with a small
window has to look at the middle first and then, once, at the right corner.  Whoever reads one
digit without knowing which corner is meant is right in 1/4 + 3/4 * 1/10 = 32.5 % of all cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import HiddenCases, drawn_on_the_processor
from attncourse.tasks.images import digits_of

_DIGIT, _CUE = 8, 4
#: Brightness of the cue's square and of the quadrant that names the corner.
_DIM, _BRIGHT = 0.2, 1.0


@drawn_on_the_processor
@dataclass(frozen=True)
class CueAndLook(HiddenCases):
    """Four digits and a cue on a square canvas.

    Hidden is the named corner, (b,): corner 2 r + k lies at row end r, column end k.

    Attributes:
        side: side of the canvas in pixels, even; more pixels only move the corners apart.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if the canvas is odd or too small.

    Examples:
        >>> x, y = CueAndLook().train_batch(seed=0, step=0, size=128)
        >>> x.shape
        torch.Size([128, 1, 20, 20])
    """

    stream: ClassVar[int] = 3
    test_seed: ClassVar[int] = 2_400
    side: int = 20
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if self.side % 2 or self.side < 2 * _DIGIT + _CUE:
            raise ValueError(
                f"side={self.side} must be even and at least {2 * _DIGIT + _CUE}: "
                f"two digits and the cue between them"
            )

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        chosen = torch.randint(len(labels), (size, 4), generator=generator)
        corner = torch.randint(4, (size,), generator=generator)
        x = torch.zeros(size, 1, self.side, self.side)
        far = self.side - _DIGIT
        for c in range(4):
            row, column = far * (c // 2), far * (c % 2)
            x[:, :, row : row + _DIGIT, column : column + _DIGIT] = images[chosen[:, c]]
        start, half = (self.side - _CUE) // 2, _CUE // 2
        x[:, :, start : start + _CUE, start : start + _CUE] = _DIM
        n = torch.arange(size)
        rows = start + half * (corner // 2)[:, None] + torch.arange(half)
        columns = start + half * (corner % 2)[:, None] + torch.arange(half)
        x[n[:, None, None], 0, rows[:, :, None], columns[:, None, :]] = _BRIGHT
        asked = chosen[n, corner]
        return x, labels[asked], corner, asked


def corner_locations() -> Tensor:
    """Where each corner's digit lies, (4, 2): (x, y) in [-1, 1], for a window of a digit's size."""
    return torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
