"""The beacon: one pixel knows the answer, and every pixel must give it.

==========  =========================================================================
channels    hold, beside noise with a spread of 0.3
==========  =========================================================================
0           +2 at the beacon
1           the sign at the beacon, +1.5 or -1.5
2           nothing
==========  =========================================================================

Every pixel is asked for the sign.  What a pixel cannot hear of, it cannot answer: without any
word of the beacon the two answers are equally likely.  In the test set this holds exactly, because
each image stands there twice, once with either sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import Units, answers_of, drawn_on_the_processor, seeded

CHANNELS, NOISE, CUE, SIGN = 3, 0.3, 2.0, 1.5


@drawn_on_the_processor
@dataclass(frozen=True)
class Beacon:
    """Images with one beacon each.

    Attributes:
        side: rows and columns.
        test_size: number of fixed test images, an even one.

    Raises:
        ValueError: if ``test_size`` is odd.

    Examples:
        >>> x, y = Beacon().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape  # the images; 1 for plus, 0 for minus, at every pixel
        (torch.Size([32, 3, 12, 12]), torch.Size([32, 1, 12, 12]))
    """

    test_seed: ClassVar[int] = 2_019
    side: int = 12
    test_size: int = 512

    def __post_init__(self) -> None:
        if self.test_size % 2:
            raise ValueError(f"test_size={self.test_size} must be even: each image comes twice")

    @property
    def classes(self) -> int:
        """Two signs."""
        return 2

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images and the answer of every pixel."""
        generator = seeded(seed, step, 9)
        x, place = self._images(size, generator)
        plus = torch.rand(size, generator=generator) < 0.5
        return self._lit(x, place, plus), self._answers(plus)

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test images, each with both signs, and the answers."""
        x, y, _ = self.test_cases()
        return x, y

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set with the beacon of each image, (n, 2): its row and column."""
        x, place = self._images(self.test_size // 2, seeded(self.test_seed))
        x, place = x.repeat_interleave(2, dim=0), place.repeat_interleave(2)
        plus = torch.arange(self.test_size) % 2 == 0
        where = torch.stack([place // self.side, place % self.side], dim=1)
        return self._lit(x, place, plus), self._answers(plus), where

    def test_units(self) -> Units:
        """The image that two test items share."""
        return Units("images", torch.arange(self.test_size) // 2)

    def on_the_cross(self) -> Tensor:
        """Which pixels of the test images share a row or a column with the beacon, (n, h, w)."""
        row, column = self.test_cases()[2].T[:, :, None]
        at = torch.arange(self.side)
        return (at == row)[:, :, None] | (at == column)[:, None, :]

    def _images(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = NOISE * torch.randn(size, CHANNELS, self.side**2, generator=generator)
        return x, torch.randint(self.side**2, (size,), generator=generator)

    def _lit(self, x: Tensor, place: Tensor, plus: Tensor) -> Tensor:
        each = torch.arange(len(x))
        x[each, 0, place] += CUE
        x[each, 1, place] += SIGN * (2 * plus.to(x.dtype) - 1)
        return x.unflatten(2, (self.side, self.side))

    def _answers(self, plus: Tensor) -> Tensor:
        return plus.float()[:, None, None, None].expand(-1, 1, self.side, self.side).contiguous()


def sign_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Binary cross-entropy of every pixel's answer, from logits (b, 1, h, w)."""
    return F.binary_cross_entropy_with_logits(outputs, answers)


def right_pixels(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Which pixels answer rightly, (n, h, w) in float64."""
    return ((answers_of(model, x) > 0) == (y > 0.5))[:, 0].double()


def right_share(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The share of right pixels of each test image, (n,)."""
    return right_pixels(model, x, y).mean(dim=(1, 2))
