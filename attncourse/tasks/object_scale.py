"""One digit, drawn small or large: a task in which the right reach of a kernel depends on x.

A handwritten digit of 8 x 8 pixels is enlarged to a side between ``smallest`` and ``largest``,
put at a random place of a dark canvas, and covered with noise.  The label is the digit.  The
strokes of the largest are two and a half times as wide as those of the smallest, so no single
reach of a kernel suits all images.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from attncourse.tasks.base import Units, drawn_on_the_processor, seeded
from attncourse.tasks.images import digits, digits_of

_TEST_SEED, _SOURCE = 7_000, 8


@drawn_on_the_processor
@dataclass(frozen=True)
class ObjectScale:
    """Digits of random size on a canvas.

    Attributes:
        smallest: least side in pixels; no less than 8, the side of the digits themselves.
        largest: largest side.
        canvas: side of the image.
        noise: standard deviation of the noise on every pixel.
        test_size: number of fixed test examples.

    Raises:
        ValueError: unless 8 <= smallest <= largest <= canvas.

    Examples:
        >>> x, y = ObjectScale().train_batch(seed=0, step=0, size=16)
        >>> x.shape
        torch.Size([16, 1, 24, 24])
    """

    smallest: int = 8
    largest: int = 20
    canvas: int = 24
    noise: float = 0.1
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if not _SOURCE <= self.smallest <= self.largest <= self.canvas:
            raise ValueError(
                f"smallest={self.smallest}, largest={self.largest}, canvas={self.canvas}: "
                f"choose {_SOURCE} <= smallest <= largest <= canvas"
            )

    @property
    def classes(self) -> int:
        """Ten digits."""
        return 10

    @property
    def sides(self) -> range:
        """All sides that occur, in pixels."""
        return range(self.smallest, self.largest + 1)

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images (size, 1, canvas, canvas) of training digits, and their labels."""
        return self._draw(size, seeded(seed, step, 7), train=True)[:2]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test images, made of test digits."""
        return self.test_cases()[:2]

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set with each digit's side in pixels, (test_size,)."""
        return self._draw(self.test_size, seeded(_TEST_SEED), train=False)[:3]

    def test_units(self) -> Units:
        """The digit on each test image."""
        return Units("digits", self._draw(self.test_size, seeded(_TEST_SEED), train=False)[3])

    def enlarged_units(self, count: int = 400) -> Units:
        """The digit on each image of :meth:`enlarged`."""
        generator = seeded(_TEST_SEED, 1)
        return Units("digits", torch.randint(len(digits()[3]), (count,), generator=generator))

    def enlarged(self, side: int, count: int = 400, contrast: float = 1) -> tuple[Tensor, Tensor]:
        """``count`` test digits, all of one ``side``; the same digits, centres and noise at all.

        Args:
            side: of the digits, in pixels.
            count: how many.
            contrast: factor on the digits' pixels; the noise keeps its size.

        Raises:
            ValueError: if no digit of this task has that side.
        """
        if side not in self.sides:
            raise ValueError(
                f"side={side} does not occur: choose {self.smallest} to {self.largest}"
            )
        images, labels, centres, noise = self._shown(count)
        corners = (centres - side / 2).round().long()
        painted = self.paint(images, torch.full((count,), side), corners)
        return contrast * painted + noise, labels

    def repeated(self, copies: int, count: int = 400) -> tuple[Tensor, Tensor]:
        """The digits of :meth:`enlarged` at 8 pixels, each ``copies`` times, with the same noise.

        The canvas is tiled by squares of 8 pixels; copies fill them from the middle outwards.

        Raises:
            ValueError: if there are fewer squares than copies.
        """
        across = self.canvas // _SOURCE
        middle = (across - 1) / 2
        places = sorted(
            product(range(across), repeat=2),
            key=lambda place: sum((step - middle) ** 2 for step in place),
        )
        if not 1 <= copies <= len(places):
            raise ValueError(f"copies={copies} do not fit: choose 1 to {len(places)}")
        images, labels, _, noise = self._shown(count)
        x = noise.clone()
        for row, column in places[:copies]:
            top, left = row * _SOURCE, column * _SOURCE
            x[:, :, top : top + _SOURCE, left : left + _SOURCE] += images
        return x, labels

    def _shown(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Test digits, their labels, centres (2, count) and noise, the same at every call."""
        _, _, images, labels = digits()
        generator = seeded(_TEST_SEED, 1)
        chosen = torch.randint(len(labels), (count,), generator=generator)
        reach = (self.canvas - self.largest) / 2
        centres = self.canvas / 2 + reach * (2 * torch.rand(2, count, generator=generator) - 1)
        noise = self.noise * torch.randn(count, 1, *[self.canvas] * 2, generator=generator)
        return images[chosen], labels[chosen], centres, noise

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        chosen = torch.randint(len(labels), (size,), generator=generator)
        sides = torch.randint(self.smallest, self.largest + 1, (size,), generator=generator)
        room = (self.canvas - sides + 1).float()
        corners = (torch.rand(2, size, generator=generator) * room).long()
        noise = self.noise * torch.randn(size, 1, *[self.canvas] * 2, generator=generator)
        x = self._contrast(sides, generator) * self.paint(images[chosen], sides, corners) + noise
        return x, labels[chosen], sides, chosen

    def _contrast(self, sides: Tensor, generator: torch.Generator) -> Tensor:
        """A factor (b, 1, 1, 1) on each digit's pixels, one number a side."""
        del generator
        return torch.ones(len(sides), 1, 1, 1)

    def paint(self, images: Tensor, sides: Tensor, corners: Tensor) -> Tensor:
        """Each image (b, 1, 8, 8) enlarged to its own side, on a canvas of zeros.

        Bilinear enlargement is a tent around each pixel, along rows and along columns, so that
        a batch of different sizes is two products with one small matrix for each image.

        Args:
            images: the digits.
            sides: (b,) sides in pixels.
            corners: (2, b) first row and first column of each.
        """
        rows, columns = (self._tents(sides, corner).to(images.dtype) for corner in corners)
        return rows[:, None] @ images @ columns[:, None].mT

    def _tents(self, sides: Tensor, corners: Tensor) -> Tensor:
        """Weights (b, canvas, 8) of source pixels in the pixels of the canvas, along one axis."""
        inside = torch.arange(self.canvas) - corners[:, None]
        source = ((inside + 0.5) * _SOURCE / sides[:, None] - 0.5).clamp(0, _SOURCE - 1)
        tents = (1 - (source[..., None] - torch.arange(_SOURCE)).abs()).clamp(min=0)
        return tents * ((inside >= 0) & (inside < sides[:, None]))[..., None]


@drawn_on_the_processor
@dataclass(frozen=True)
class FreeInk(ObjectScale):
    """Digits of random size whose ink, the sum over all pixels, says nothing of the size.

    A digit has the ink that it would have at a second side, which is drawn by itself: a large one
    may be faint, a small one bright.

    Examples:
        >>> x, y = FreeInk().train_batch(seed=0, step=0, size=16)
        >>> x.shape
        torch.Size([16, 1, 24, 24])
    """

    def _contrast(self, sides: Tensor, generator: torch.Generator) -> Tensor:
        """(other side / side) squared: ink grows with the area."""
        ratio = self.largest / self.smallest
        others = self.smallest * ratio ** torch.rand(len(sides), generator=generator)
        return (others / sides).square()[:, None, None, None]
