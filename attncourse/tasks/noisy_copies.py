"""Noisy copies: one digit in several channels, some of them spoilt; their spread tells which.

Every channel shows the same handwritten digit.  Each copy is spoilt by itself, by a chance:
strong noise covers it, and faint noise covers the others.  The noise of every copy is centred, so
that all copies of an example have the same mean, and a mechanism that sees means alone
cannot tell a spoilt copy from a good one.  The label is the digit.

With a random ``gain`` all copies of an example are multiplied by one number.  Then no fixed spread
separates good from spoilt, while their ratios within the example still do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import HiddenCases, drawn_on_the_processor
from attncourse.tasks.images import digits_of


@drawn_on_the_processor
@dataclass(frozen=True)
class NoisyCopies(HiddenCases):
    """Copies of one digit of 8 x 8 pixels, a share of them under strong noise.

    Hidden is which copies are spoilt, (b, copies).

    Attributes:
        copies: how many channels show the digit.
        noise: standard deviation of the noise on a spoilt copy.
        faint: standard deviation of the noise on a good one.
        spoilt: chance of a copy to be spoilt, whatever becomes of the others.
        gain: the copies of an example are multiplied by e to the power of a number that is drawn
            evenly from -gain to gain; 0 leaves them as they are.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if there is no copy, or a number does not suit its meaning.

    Examples:
        >>> x, y = NoisyCopies().train_batch(seed=0, step=0, size=128)
        >>> x.shape
        torch.Size([128, 8, 8, 8])
    """

    stream: ClassVar[int] = 12
    test_seed: ClassVar[int] = 12_000
    copies: int = 8
    noise: float = 2.0
    faint: float = 0.05
    spoilt: float = 0.75
    gain: float = 0.0
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies={self.copies} must be at least 1")
        if not 0 <= self.faint <= self.noise:
            raise ValueError(f"faint={self.faint}, noise={self.noise}: choose 0 <= faint <= noise")
        if not 0 <= self.spoilt <= 1:
            raise ValueError(f"spoilt={self.spoilt} is a chance: choose a number from 0 to 1")
        if not 0 <= self.gain < math.inf:
            raise ValueError(f"gain={self.gain} must be a number of at least 0")

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        shown = torch.randint(len(labels), (size,), generator=generator)
        spoilt = torch.rand(size, self.copies, generator=generator) < self.spoilt
        noise = torch.randn(size, self.copies, *images.shape[2:], generator=generator)
        noise = noise - noise.mean(dim=(2, 3), keepdim=True)
        strength = torch.where(spoilt, self.noise, self.faint)[:, :, None, None]
        # Drawn last, so that digits and noise are the same with a gain and without.
        exponent = 2 * torch.rand(size, 1, 1, 1, generator=generator) - 1
        gain = torch.exp(self.gain * exponent)
        return gain * (images[shown] + strength * noise), labels[shown], spoilt, shown
