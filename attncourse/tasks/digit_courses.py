"""Digit courses: two digits in two channels of a clip, and how bright each is tells which counts.

``asks="rising"``: one channel grows brighter, the other fades, and the label is the digit that
grows.  Shown in reverse, a clip is a clip of the task whose label is the other digit.

``asks="in step"``: a third channel is an even light.  Light and digits flicker between two levels,
each bright in half of the frames, and the label is the digit that flickers with the light.  Here
the order of the frames says nothing: shuffled alike, a clip keeps its label.

In both, the course of a channel has the same mean over time whether it is asked for or not; digits
differ in brightness, and so do the channels of a clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.tasks.base import HiddenCases, chosen, drawn_on_the_processor, seeded
from attncourse.tasks.images import digits_of

FRAMES = 8
#: The darkest and the brightest factor of a channel; their mean is 1.
DARK, BRIGHT = 0.2, 1.8
#: Digits are made so much brighter that their pixels are 1 on average, as the light's are.
GAIN = 3.3
KINDS = ("rising", "in step")


def ramps(size: int) -> Float[Tensor, "b 2 t"]:
    """A course that rises evenly and one that falls, for each of ``size`` clips."""
    rise = torch.linspace(DARK, BRIGHT, FRAMES)
    return torch.stack([rise, rise.flip(0)]).expand(size, -1, -1)


def flickers(size: int, generator: torch.Generator) -> Float[Tensor, "b 2 t"]:
    """Two different courses for each clip, bright in half of the frames, dark in the others."""

    def drawn() -> Tensor:
        return torch.rand(size, FRAMES, generator=generator).argsort(dim=1) < FRAMES // 2

    first, second = drawn(), drawn()
    while (same := (second == first).all(dim=1)).any():
        second = torch.where(same[:, None], drawn(), second)
    return torch.where(torch.stack([first, second], dim=1), BRIGHT, DARK)


def films(
    digits: Float[Tensor, "b 2 h w"],
    courses: Float[Tensor, "b 2 t"],
    wanted: Int[Tensor, " b"],
    *,
    light: bool,
) -> Float[Tensor, "b c t h w"]:
    """Clips without noise: the first course for the digit that counts, the second for the other.

    Args:
        digits: two images of each clip.
        courses: of the digit that counts and of the other.
        wanted: which digit counts, 0 or 1.
        light: whether a third channel is an even light that follows the first course.
    """
    own = torch.where(wanted[:, None, None] == 0, courses, courses.flip(1))
    x = GAIN * digits[:, :, None] * own[..., None, None]
    if not light:
        return x
    even = courses[:, :1, :, None, None].expand(-1, -1, -1, *digits.shape[2:])
    return torch.cat([x, even], dim=1)


@drawn_on_the_processor
@dataclass(frozen=True)
class DigitCourses(HiddenCases):
    """Clips of 8 frames of 8 x 8 pixels with two different digits.

    Hidden is which channel counts, (b,).

    Attributes:
        asks: ``rising`` or ``in step``.
        noise: standard deviation of the noise on every pixel of every frame.
        test_size: number of fixed test clips.

    Raises:
        ValueError: if the kind is unknown or the noise is negative.

    Examples:
        >>> x, y = DigitCourses().train_batch(seed=0, step=0, size=64)
        >>> x.shape
        torch.Size([64, 2, 8, 8, 8])
        >>> DigitCourses("in step").train_batch(seed=0, step=0, size=64)[0].shape
        torch.Size([64, 3, 8, 8, 8])
    """

    stream: ClassVar[int] = 46
    test_seed: ClassVar[int] = 46_100
    asks: str = "rising"
    noise: float = 0.3
    test_size: int = 2_000

    def __post_init__(self) -> None:
        chosen("asks", self.asks, KINDS)
        if not self.noise >= 0:
            raise ValueError(f"noise={self.noise} must be a number of at least 0")

    @property
    def channels(self) -> int:
        """Two digits, and a light if it is asked who keeps step with it."""
        return 2 if self.asks == "rising" else 3

    def test_digits(self) -> Int[Tensor, "b 2"]:
        """Both digits of every test clip, whichever of them counts."""
        _, shown = self._pairs(digits_of(False)[1], self.test_size, seeded(self.test_seed))
        return digits_of(False)[1][shown]

    @staticmethod
    def _pairs(labels: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which channel counts, (b,), and which two images each clip shows, (b, 2)."""
        wanted = torch.randint(2, (size,), generator=generator)
        shown = torch.randint(len(labels), (size, 2), generator=generator)
        while (twins := labels[shown[:, 0]] == labels[shown[:, 1]]).any():
            again = torch.randint(len(labels), (size,), generator=generator)
            shown[:, 1] = torch.where(twins, again, shown[:, 1])
        return wanted, shown

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        wanted, shown = self._pairs(labels, size, generator)
        asked = self.asks == "in step"
        courses = flickers(size, generator) if asked else ramps(size)
        x = films(images[shown][:, :, 0], courses, wanted, light=asked)
        x = x + self.noise * torch.randn(x.shape, generator=generator)
        counts = shown[torch.arange(size), wanted]
        return x, labels[counts], wanted, counts
