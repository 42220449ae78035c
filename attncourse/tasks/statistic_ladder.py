"""The statistic ladder: which statistic of a feature map can a mechanism see?

Every example shows two handwritten digits, A and B, and two noise fields, the *cue*.  One bit
is hidden in one statistic of the cue; the label is digit A if the bit is set, else digit B.
The rows of the ladder differ in that statistic alone:

========  ===============================================================================
row       what the bit changes
========  ===============================================================================
mean      the mean of the first field: +strength or -strength
std       its spread: 1 + strength or 1 - strength
dct       its half-wave along the rows: + or - strength * sqrt(2) * cos(pi (j + 1/2) / 8)
cov       the correlation of the two fields: + or - strength
code      the joint distribution of the pair: four clusters on the axes or at the corners
========  ===============================================================================

In all rows but the first each field is centred for each image.  Without that, sample means
leak the bit and a squeeze that sees only means scores above what it should.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import HiddenCases, chosen, drawn_on_the_processor
from attncourse.tasks.images import digits_of

#: Row -> default strength of its cue.
ROWS: dict[str, float] = {"mean": 0.5, "std": 0.4, "dct": 0.7, "cov": 0.8, "code": math.sqrt(2)}
_SIDE = 8


@drawn_on_the_processor
@dataclass(frozen=True)
class StatisticLadder(HiddenCases):
    """One row of the ladder.

    Hidden is the bit, (b,) of 0 and 1.

    Attributes:
        row: a key of :data:`ROWS`.
        strength: how far the bit moves the statistic; by default the row's own.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if the row is unknown or the strength does not suit it.

    Examples:
        >>> x, y = StatisticLadder("mean").train_batch(seed=0, step=0, size=128)
        >>> x.shape  # digit A, digit B, cue 1, cue 2
        torch.Size([128, 4, 8, 8])
    """

    stream: ClassVar[int] = 1
    test_seed: ClassVar[int] = 2_000
    row: str = "mean"
    strength: float | None = None
    test_size: int = 2_000

    def __post_init__(self) -> None:
        chosen("row", self.row, ROWS)
        if self.strength is None:
            object.__setattr__(self, "strength", ROWS[self.row])
        limit = 1.0 if self.row in ("std", "cov") else math.inf
        if not 0 <= self.cue_strength <= limit:
            raise ValueError(
                f"strength={self.strength} does not suit row {self.row!r}: "
                f"choose a number from 0 to {limit}"
            )

    @property
    def cue_strength(self) -> float:
        """The strength, as a number."""
        assert self.strength is not None
        return self.strength

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        a, b = torch.randint(len(labels), (2, size), generator=generator)
        bit = torch.randint(2, (size,), generator=generator)
        cue = self.cue(bit, generator)
        x = torch.cat([images[a], images[b], cue], dim=1)
        asked = torch.where(bit == 1, a, b)
        return x, labels[asked], bit, asked

    def cue(self, bit: Tensor, generator: torch.Generator) -> Tensor:
        """The two cue fields (b, 2, 8, 8) that hide ``bit`` (b,)."""
        if self.row == "code":
            return self._code(bit, generator)
        fields = torch.randn(len(bit), 2, _SIDE, _SIDE, generator=generator)
        if self.row != "mean":
            fields = fields - fields.mean(dim=(2, 3), keepdim=True)
        first, second = fields.unbind(1)
        sign = (2 * bit - 1).view(-1, 1, 1).float()
        if self.row == "mean":
            first = first + self.cue_strength * sign
        elif self.row == "std":
            first = first * (1 + self.cue_strength * sign)
        elif self.row == "dct":
            wave = torch.cos(math.pi * (torch.arange(_SIDE) + 0.5) / _SIDE)
            first = first + self.cue_strength * math.sqrt(2) * sign * wave
        else:
            rest = math.sqrt(1 - self.cue_strength**2)
            second = self.cue_strength * sign * first + rest * second
        return torch.stack([first, second], dim=1)

    def _code(self, bit: Tensor, generator: torch.Generator) -> Tensor:
        """Pixels on four clusters, sixteen each: on the axes (0) or turned by 45 degrees (1)."""
        size, pixels = len(bit), _SIDE * _SIDE
        cluster = torch.arange(pixels).remainder(4).expand(size, pixels)
        shuffle = torch.rand(size, pixels, generator=generator).argsort(dim=1)
        angle = (cluster.gather(1, shuffle) + bit.view(-1, 1) / 2) * (math.pi / 2)
        points = self.cue_strength * torch.stack([angle.cos(), angle.sin()], dim=1)
        points = points + 0.2 * torch.randn(size, 2, pixels, generator=generator)
        points = points - points.mean(dim=2, keepdim=True)
        return points.view(size, 2, _SIDE, _SIDE)
