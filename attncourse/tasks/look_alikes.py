"""Look-alikes: classes that only the scene tells apart, by a small patch somewhere in it.

A scene of one channel shows two textures, rows and columns of stripes, on the two sides of a
slanting edge.  The scene is of one of two types, drawn like a coin.  Both types have the same
textures, which are drawn alike, and different names for them: a pixel in stripes of rows has class
0 in scenes of the first type and class 1 in the second, one in stripes of columns class 2 or 3.
One small square, somewhere, is striped along a diagonal: along one in scenes of the first type,
class 4, and along the other in scenes of the second, class 5.  It is all that tells the type.

So a network that answers each pixel from a neighbourhood without the square tells rows from
columns and tosses a coin about the type.  ``side`` and ``patch`` say how rare the square is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.layers import whole
from attncourse.tasks.base import DrawnCases, drawn_on_the_processor, seeded

#: Classes below this are look-alikes in pairs; the two above are of the square.
LOOK_ALIKES = 4
#: A stripe is two pixels wide, so textures repeat after four.
_PERIOD = 4


@drawn_on_the_processor
@dataclass(frozen=True)
class LookAlikes(DrawnCases):
    """Scenes of ``side`` x ``side`` pixels with a telling square of ``patch`` x ``patch``.

    Attributes:
        side: pixels along a side of the scene.
        patch: pixels along a side of the square.
        noise: standard deviation of the noise on every pixel; stripes are -1 and 1.
        test_size: number of fixed test scenes.
        test_side: pixels along a side of the test scenes, where it is another than in training.

    Raises:
        ValueError: if the square does not fit, or a number does not suit its meaning.

    Examples:
        >>> x, y = LookAlikes().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 1, 16, 16]), torch.Size([32, 16, 16]))
    """

    stream: ClassVar[int] = 19
    test_seed: ClassVar[int] = 19_000
    side: int = 16
    patch: int = 3
    noise: float = 0.5
    test_size: int = 400
    test_side: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        whole(side=self.side, patch=self.patch, test_side=self._test_side)
        least = min(self.side, self._test_side)
        if not 1 <= self.patch <= least:
            raise ValueError(f"patch={self.patch} must lie from 1 to side={least}")
        if not 0 <= self.noise < math.inf:
            raise ValueError(f"noise={self.noise} must be a number of at least 0")

    @property
    def classes(self) -> int:
        """Two pairs of look-alikes, and the two squares."""
        return LOOK_ALIKES + 2

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set and the type of each scene, 0 or 1."""
        return self._draw(self.test_size, seeded(self.test_seed), self._test_side)

    @property
    def _test_side(self) -> int:
        return self.side if self.test_side is None else self.test_side

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw scenes, classes of their pixels and types of the scenes from ``generator``."""
        return self._draw(size, generator, self.side)

    def _draw(
        self, size: int, generator: torch.Generator, side: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        shape = (size, 1, 1)
        kind = torch.randint(2, shape, generator=generator)
        phase = torch.randint(_PERIOD, (3, *shape), generator=generator)
        angle = 2 * math.pi * torch.rand(shape, generator=generator)
        shift = side / 3 * (torch.rand(shape, generator=generator) - 0.5)
        corner = torch.randint(side - self.patch + 1, (2, *shape), generator=generator)
        noise = torch.randn(size, side, side, generator=generator)

        i, j = torch.arange(side)[:, None], torch.arange(side)
        middle = (side - 1) / 2
        beyond = (i - middle) * angle.cos() + (j - middle) * angle.sin() + shift > 0
        inside = (
            (i >= corner[0]) & (i < corner[0] + self.patch)
            & (j >= corner[1]) & (j < corner[1] + self.patch)
        )  # fmt: skip
        plain = torch.where(beyond, _stripes(i + phase[0]), _stripes(j + phase[1]))
        diagonal = torch.where(kind == 0, _stripes(i + j + phase[2]), _stripes(i - j + phase[2]))
        x = torch.where(inside, diagonal, plain).float() + self.noise * noise
        y = torch.where(inside, 4, torch.where(beyond, 0, 2)) + kind
        return x[:, None], y, kind.flatten()


def _stripes(place: Tensor) -> Tensor:
    return torch.where(place % _PERIOD < _PERIOD // 2, 1, -1)
