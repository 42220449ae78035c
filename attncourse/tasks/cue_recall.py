"""Cue recall: the first frame says which of the others to name.

Every clip begins with a frame that shows a pattern along its border and nothing else.  Each of
the other frames shows a digit in its middle and a border pattern of its own; one of them, at a
random place, carries the pattern of the first.  The label is the digit of that frame.

No frame by itself tells whether it counts: its border says nothing until it is compared with
the border of the first frame.  What counts is a relation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import HiddenCases, drawn_on_the_processor, seeded
from attncourse.tasks.images import digits_of

SIDE = 10
_DIGIT = 8
_BORDER = SIDE * SIDE - _DIGIT * _DIGIT
_PATTERN_SEED = 36


@drawn_on_the_processor
@dataclass(frozen=True)
class CueRecall(HiddenCases):
    """Clips of a cue and ``frames - 1`` digits, as vectors of 100 pixels.

    Hidden is the number of the frame that the cue points at, (b,), 1 to frames - 1.

    Attributes:
        frames: length of a clip, cue included.
        patterns: how many border patterns there are; the digits of a clip all have different
            ones.
        noise: standard deviation of the noise on every pixel.
        test_size: number of fixed test clips.

    Raises:
        ValueError: if there are fewer than two frames or too few patterns.

    Examples:
        >>> x, y = CueRecall().train_batch(seed=0, step=0, size=64)
        >>> x.shape  # clips, frames, pixels
        torch.Size([64, 8, 100])
    """

    stream: ClassVar[int] = 2
    test_seed: ClassVar[int] = 3_000
    frames: int = 8
    patterns: int = 16
    noise: float = 0.05
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"frames={self.frames} must be at least 2: a cue and a digit")
        if self.patterns < self.frames - 1:
            raise ValueError(
                f"patterns={self.patterns} cannot tell {self.frames - 1} digits apart: "
                f"use at least {self.frames - 1}, or fewer frames"
            )
        if self.noise < 0:
            raise ValueError(f"noise={self.noise} must not be negative")

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        shown = self.frames - 1
        pick = torch.randint(len(labels), (size, shown), generator=generator)
        place = torch.randint(shown, (size, 1), generator=generator)
        order = torch.rand(size, self.patterns, generator=generator).argsort(dim=1)[:, :shown]
        of_frame = torch.cat([order.gather(1, place), order], dim=1)  # the cue comes first
        x = torch.zeros(size, self.frames, SIDE, SIDE)
        x[:, 1:, 1:-1, 1:-1] = images[pick, 0]
        x[:, :, border()] = border_patterns(self.patterns)[of_frame]
        x = x.flatten(2) + self.noise * torch.randn(size, self.frames, SIDE**2, generator=generator)
        asked = pick.gather(1, place)[:, 0]
        return x, labels[asked], place[:, 0] + 1, asked


def border() -> Tensor:
    """Mask of the pixels around the digit, (10, 10)."""
    mask = torch.ones(SIDE, SIDE, dtype=torch.bool)
    mask[1:-1, 1:-1] = False
    return mask


@cache
def border_patterns(count: int) -> Tensor:
    """``count`` fixed random patterns of zeros and ones, (count, 36), all different."""
    generator = seeded(_PATTERN_SEED)
    found = torch.empty(0, _BORDER)
    while len(found) < count:
        drawn = torch.randint(2, (1, _BORDER), generator=generator).float()
        # Two patterns that nearly agree would be a test of eyesight.
        if not len(found) or (found - drawn).abs().sum(dim=1).min() >= _BORDER // 4:
            found = torch.cat([found, drawn])
    return found


def best_without_the_cue(shown: int, classes: int = 10) -> Fraction:
    """Accuracy of a perfect reader that cannot match the cue, over ``shown`` random digits.

    It can do no better than to name the most frequent digit, which is right in the share
    E[max count] / shown of all clips.
    """
    # P(no digit occurs more than m times) = n! [z^n] (sum over j <= m of z^j / j!)^classes / c^n
    expected = Fraction(0)
    for most in range(shown):
        once = [Fraction(1, math.factorial(j)) for j in range(most + 1)]
        power = [Fraction(1)]
        for _ in range(classes):
            longer = [Fraction(0)] * min(len(power) + most, shown + 1)
            for i, a in enumerate(power):
                for j, b in enumerate(once):
                    if i + j <= shown:
                        longer[i + j] += a * b
            power = longer
        ways = power[shown] * math.factorial(shown) if len(power) > shown else Fraction(0)
        expected += 1 - ways / Fraction(classes) ** shown  # P(max > most)
    return expected / shown
