"""Follow the arrow: every position names the place whose value it wants.

An image has three channels: values v, and a field of arrows (f_y, f_x) between -1 and 1.  The
answer at p is the value ``reach`` times the arrow away, read bilinearly with zeros outside:

    y(p) = v(p + reach * f(p))

The whole law is one number, and which pixel is asked differs from position to position.  Two
things decide whether a slope at p tells the way there.  ``values`` sets how smooth v is, from a few
numbers that are enlarged to the whole image up to white noise.  ``shortest`` sets which arrows
count: those that end within two pixels end where the slope at p still looks, whatever v is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import answers_of, drawn_on_the_processor, seeded

_TEST_SEED, _STREAM, _ARROWS = 24_000, 23, 4


@drawn_on_the_processor
@dataclass(frozen=True)
class FollowArrow:
    """Images of values and arrows, and the values that the arrows point to.

    Attributes:
        values: side of the noise that is enlarged to the values; ``side`` is white noise.
        reach: pixels of the longest arrow along each axis.
        shortest: an answer counts where the arrow is at least so many pixels long along one axis.
        side: rows and columns of the image.
        test_size: number of fixed test images.

    Raises:
        ValueError: if a number does not suit its meaning.

    Examples:
        >>> x, y = FollowArrow().train_batch(seed=0, step=0, size=16)
        >>> x.shape, y.shape  # values and arrows; answers, and whether they count
        (torch.Size([16, 3, 24, 24]), torch.Size([16, 2, 24, 24]))
    """

    values: int = 6
    reach: float = 4.0
    shortest: float = 0.0
    side: int = 24
    test_size: int = 256

    def __post_init__(self) -> None:
        if not _ARROWS <= self.values <= self.side:
            raise ValueError(
                f"values={self.values} must lie between {_ARROWS} and side={self.side}: "
                f"noise is enlarged, never shrunk"
            )
        if not 0 <= self.shortest < self.reach:
            raise ValueError(
                f"shortest={self.shortest} must lie between 0 and reach={self.reach}: "
                f"no arrow is longer along an axis"
            )
        if self.test_size < 1:
            raise ValueError(f"test_size={self.test_size} must be at least 1")

    @property
    def classes(self) -> int:
        """None: an answer is a map."""
        return 0

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images (size, 3, side, side) and their answers (size, 2, side, side)."""
        return self.draw(size, seeded(seed, step, _STREAM))

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test images and their answers."""
        return self.draw(self.test_size, seeded(_TEST_SEED, self.values))

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw images (size, 3, side, side), and their answers (size, 2, side, side).

        The second channel of an answer is 1 where it counts, and 0 elsewhere.
        """
        v = torch.randn(size, 1, self.values, self.values, generator=generator)
        arrows = torch.randn(size, 2, _ARROWS, _ARROWS, generator=generator)
        v, arrows = self._enlarged(v), self._enlarged(arrows).clamp(-1, 1)
        long = self.reach * arrows.abs().amax(dim=1, keepdim=True) >= self.shortest
        answers = torch.cat([self.follow(v, arrows), long.to(v)], dim=1)
        return torch.cat([v, arrows], dim=1), answers

    def follow(self, v: Tensor, arrows: Tensor) -> Tensor:
        """The values at the ends of the arrows (b, 2, side, side), rows first."""
        steps = torch.arange(self.side, dtype=v.dtype)
        down = steps[:, None] + self.reach * arrows[:, 0]
        across = steps + self.reach * arrows[:, 1]
        grid = (2 * torch.stack([across, down], dim=-1) + 1) / self.side - 1
        return F.grid_sample(v, grid, align_corners=False)

    def _enlarged(self, noise: Tensor) -> Tensor:
        if noise.shape[-1] == self.side:
            return noise
        return F.interpolate(noise, size=self.side, mode="bicubic", align_corners=False)


def arrow_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Mean squared error where answers count; (b, 1, h, w) and (b, 2, h, w) -> a number."""
    value, counts = answers.split(1, dim=1)
    return (counts * (outputs - value).square()).sum() / counts.sum()


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each test image contributes to R², (n,) in float64: their mean is the share R² of the
    answers' variance that is explained, 1 at best and 0 for saying the mean answer.
    """
    value, counts = y.double().split(1, dim=1)
    total = counts.sum()
    mean = (counts * value).sum() / total
    variance = (counts * (value - mean).square()).sum() / total
    errors = (counts * (answers_of(model, x, 128).double() - value).square()).sum(dim=(1, 2, 3))
    return 1 - errors * len(x) / (total * variance)
