"""Digits that are turned, scaled and shifted at random: what a network must not care about.

Every image shows one digit, seen through a similarity transformation drawn anew each time:

    a point q of the digit's own frame, from -1 to 1 on each side, lands at
    p = scale * R(angle) q + shift        (normalised coordinates of the image; y points down)

So ``scale`` is the share of the image's side that the digit's frame spans.  Around it there are
zeros, and, if asked for, fragments of other digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import Units, drawn_on_the_processor, seeded
from attncourse.tasks.images import ImageTask, digits_task

_TEST_SEED = 2_015


@drawn_on_the_processor
@dataclass(frozen=True)
class WarpedDigits:
    """Digits under random similarities.

    Attributes:
        base: the digits; by default scikit-learn's, which need no download.
        side: rows and columns of the image.
        angle: largest angle in degrees, either way.
        scale: smallest and largest scale.
        shift: largest shift along x and along y, either way.
        fragments: pieces of other digits that lie about.
        test_size: number of fixed test images; each test digit is used in turn.

    Raises:
        ValueError: if the scales are not a positive range, or a size is below 1.

    Examples:
        >>> x, y = WarpedDigits().train_batch(seed=0, step=0, size=64)
        >>> x.shape
        torch.Size([64, 1, 28, 28])
    """

    base: ImageTask = field(default_factory=digits_task)
    side: int = 28
    angle: float = 60.0
    scale: tuple[float, float] = (0.2, 0.9)
    shift: float = 0.4
    fragments: int = 0
    test_size: int = 1_985

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale={self.scale} must be a range above 0, such as (0.2, 0.9)")
        for name in ("side", "test_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("angle", "shift", "fragments"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative")

    @property
    def classes(self) -> int:
        """Ten digits."""
        return self.base.classes

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images (size, 1, side, side) of training digits, and labels."""
        generator = seeded(seed, step, 1)
        count = len(self.base.train_labels)
        chosen = torch.randint(count, (size,), generator=generator)
        x, _ = self.draw(chosen, generator, train=True)
        return x, self.base.train_labels[chosen]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test images, made from test digits, and labels."""
        x, y, _ = self._test_cases
        return x, y

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set with the pose of every digit, as :meth:`draw` gives it."""
        return self._test_cases

    def test_units(self) -> Units:
        """The digit on each test image: every one is shown several times, warped anew."""
        return Units("digits", self._tested())

    def _tested(self) -> Tensor:
        return torch.arange(self.test_size) % len(self.base.test_labels)

    @cached_property
    def _test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        chosen = self._tested()
        x, pose = self.draw(chosen, seeded(_TEST_SEED), train=False)
        return x, self.base.test_labels[chosen], pose

    def draw(
        self, chosen: Tensor, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor]:
        """Warp the digits with the indices ``chosen``.

        Returns:
            images (n, 1, side, side), and poses (n, 4): angle in radians, scale, x and y shift.
        """
        pool = self.base.train_images if train else self.base.test_images
        pose = self.poses(len(chosen), generator)
        x = render(pool[chosen], pose, self.side)
        for _ in range(self.fragments):
            x = torch.maximum(x, self._fragment(pool, len(chosen), generator))
        return x, pose

    def poses(self, count: int, generator: torch.Generator) -> Tensor:
        """Random angle, scale and shifts, (count, 4)."""
        share = torch.rand(count, 4, generator=generator)
        low, high = self.scale
        span = torch.tensor([2 * math.radians(self.angle), high - low, 2 * self.shift])
        start = torch.tensor([-math.radians(self.angle), low, -self.shift])
        return start[[0, 1, 2, 2]] + span[[0, 1, 2, 2]] * share

    def _fragment(self, pool: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """A quarter of some other digit for each image, anywhere, as large as in a digit."""
        chosen = torch.randint(len(pool), (count,), generator=generator)
        half = pool.shape[-1] // 2
        pieces = pool[chosen].unfold(2, half, half).unfold(3, half, half).flatten(2, 3)
        which = torch.randint(4, (count,), generator=generator)
        piece = pieces[torch.arange(count), :, which]
        pose = self.poses(count, generator)
        anywhere = 2 * torch.rand(count, 2, generator=generator) - 1
        pose = torch.cat([pose[:, :1], pose[:, 1:2] / 2, anywhere], dim=1)
        return render(piece, pose, self.side)


def render(images: Tensor, pose: Tensor, side: int) -> Tensor:
    """Each image (n, 1, h, w) under its pose (n, 4), bilinearly, on a canvas of zeros."""
    angle, scale, x, y = pose.unbind(1)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    # The canvas is read backwards: p -> R(-angle) (p - shift) / scale.
    matrix = torch.stack([cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y], dim=1)
    size = [len(images), images.shape[1], side, side]
    grid = F.affine_grid(matrix.view(-1, 2, 3), size, align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
