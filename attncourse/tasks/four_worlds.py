"""Four worlds: digits in four styles, upright or turned, bright on dark or dark on bright.

The label is the digit, and the style says nothing of it.  A small bank of filters has to serve
strokes of two directions in two polarities; a network that knows the style could keep a bank for
each.  The styles are 0 plain, 1 turned by 90 degrees, 2 inverted, 3 turned and inverted.

Inversion changes the mean of an image.  A turn moves its pixels and changes no mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.tasks.base import HiddenCases, Units, drawn_on_the_processor, seeded
from attncourse.tasks.images import digits_of

STYLES = ("plain", "turned", "inverted", "turned and inverted")


def in_style(
    images: Float[Tensor, "b 1 s s"], styles: Int[Tensor, " b"]
) -> Float[Tensor, "b 1 s s"]:
    """Each image in its style: turned where the number is odd, inverted from 2 on."""
    turned = (styles % 2 == 1)[:, None, None, None]
    inverted = (styles >= 2)[:, None, None, None]
    x = torch.where(turned, images.rot90(1, (2, 3)), images)
    return torch.where(inverted, 1 - x, x)


@drawn_on_the_processor
@dataclass(frozen=True)
class FourWorlds(HiddenCases):
    """Digits of 8 x 8 pixels in four styles, each as likely as the others.

    Hidden is the number of the style, (b,).

    Attributes:
        noise: standard deviation of the noise on every pixel.
        told: add a second channel that holds the number of the style in every pixel.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if the noise is negative.

    Examples:
        >>> x, y = FourWorlds().train_batch(seed=0, step=0, size=64)
        >>> x.shape
        torch.Size([64, 1, 8, 8])
    """

    stream: ClassVar[int] = 14
    test_seed: ClassVar[int] = 14_000
    noise: float = 0.05
    told: bool = False
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if not self.noise >= 0:
            raise ValueError(f"noise={self.noise} must be at least 0")

    def in_every_style(self, count: int = 400) -> Tensor:
        """The same ``count`` test digits in all four styles, (4, count, 1, 8, 8), with one noise.

        The noise is drawn once and turned with its digit, so that the first two are the same
        pixels at other places.
        """
        images, generator = digits_of(train=False)[0], seeded(self.test_seed, 1)
        shown = images[torch.randint(len(images), (count,), generator=generator)]
        noisy = shown + self.noise * torch.randn(shown.shape, generator=generator)
        return torch.stack(
            [in_style(noisy, torch.full((count,), style)) for style in range(len(STYLES))]
        )

    def units_in_every_style(self, count: int = 400) -> Units:
        """Which test digit each of them is."""
        digits = len(digits_of(train=False)[1])
        generator = seeded(self.test_seed, 1)
        return Units("digits", torch.randint(digits, (count,), generator=generator))

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        shown = torch.randint(len(labels), (size,), generator=generator)
        styles = torch.randint(len(STYLES), (size,), generator=generator)
        x = in_style(images[shown], styles)
        x = x + self.noise * torch.randn(x.shape, generator=generator)
        if self.told:
            x = torch.cat([x, styles[:, None, None, None].expand_as(x).to(x.dtype)], dim=1)
        return x, labels[shown], styles, shown
