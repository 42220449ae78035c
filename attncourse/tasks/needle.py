"""Needle average: one position of many holds the answer, and a mean over all hides it.

Every image has four channels of noise, uniform from -1 to 1.  In channel 0 the noise is a fifth
as strong, and one random position, the *needle*, has 1 added to it.  The answer is the number in
channel 1 at the needle.

A plain mean over the n positions holds the answer as one of n equal terms.  By symmetry the best
guess of each term, given their mean, is the mean itself, so whatever reads the means of the
channels explains at most 1/n of the answers' variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncourse.tasks.base import answers_of, drawn_on_the_processor, seeded

#: Channels of an image; the needle is marked in channel 0 and answered in channel 1.
CHANNELS, MARK, ANSWER = 4, 0, 1
#: Variance of a number that is uniform from -1 to 1.
VARIANCE = 1 / 3
_FAINT = 0.2
_TEST_SEED = 2_019


@drawn_on_the_processor
@dataclass(frozen=True)
class NeedleAverage:
    """Images of noise with one needle each, drawn afresh for every batch.

    Attributes:
        side: rows and columns of an image.
        test_size: number of fixed test images.

    Raises:
        ValueError: if the image has no room for a needle and something else.

    Examples:
        >>> x, y = NeedleAverage().train_batch(seed=0, step=0, size=128)
        >>> x.shape, y.shape
        (torch.Size([128, 4, 16, 16]), torch.Size([128, 1]))
    """

    side: int = 16
    test_size: int = 2_048

    def __post_init__(self) -> None:
        if self.side < 2:
            raise ValueError(f"side={self.side} leaves nothing to hide a needle in: use 2 or more")

    @property
    def classes(self) -> int:
        """None: an answer is a number."""
        return 0

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images (size, 4, side, side) and their answers (size, 1)."""
        return self.draw(size, seeded(seed, step, 15))[:2]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test images and answers."""
        return self.test_cases()[:2]

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set and where the needles are; see :meth:`draw`."""
        return self.draw(self.test_size, seeded(_TEST_SEED))

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Images, answers, and the needles' positions, (size,), counted in reading order."""
        count = self.side**2
        x = 2 * torch.rand(size, CHANNELS, count, generator=generator) - 1
        needle = torch.randint(count, (size,), generator=generator)
        images = torch.arange(size)
        x[:, MARK] *= _FAINT
        x[images, MARK, needle] += 1
        answer = x[images, ANSWER, needle]
        return x.unflatten(2, (self.side, self.side)), answer[:, None], needle


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each test image contributes to R², (n,) in float64: their mean is the score."""
    return (1 - (answers_of(model, x).double() - y.double()).square() / VARIANCE)[:, 0]
