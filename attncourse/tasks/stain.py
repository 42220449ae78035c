"""Stain and either-or: one question for the whole picture, and one for each pixel by itself.

**Stain.** Three spots stand in channel 0 and three in channel 1 (2, with noise of spread 0.3).
Channel 2 is c - 1/2 with noise of spread 1, with one c, 0 or 1, for the whole picture.  If it is 1
the spots of channel 0 are lesions, else those of channel 1.  Asked for at the six spots alone.

**Either-or.** Two channels of +1 and -1, each as likely.  Asked for at every pixel: is exactly one
of them +1?
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import DrawnCases, answers_of, chosen, drawn_on_the_processor

KINDS = ("stain", "either-or")
SIDE, SPOTS, LOUD, NOISE, TOLD = 8, 3, 2.0, 0.3, 0.5
_PLACES = SIDE**2


@drawn_on_the_processor
@dataclass(frozen=True)
class Stain(DrawnCases):
    """Pictures of one kind, with a class for each pixel, -1 where none is asked for.

    Attributes:
        kind: ``"stain"`` or ``"either-or"``.
        test_size: number of fixed test pictures.

    Raises:
        ValueError: if the kind is unknown.

    Examples:
        >>> x, y = Stain("stain").train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 3, 8, 8]), torch.Size([32, 8, 8]))
    """

    stream: ClassVar[int] = 42
    test_seed: ClassVar[int] = 42_000
    kind: str = "stain"
    test_size: int = 512

    def __post_init__(self) -> None:
        chosen("kind", self.kind, KINDS)

    @property
    def classes(self) -> int:
        """No and yes."""
        return 2

    @property
    def channels(self) -> int:
        """Of a picture."""
        return 3 if self.kind == "stain" else 2

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures, and classes (size, 8, 8)."""
        if self.kind == "either-or":
            on = torch.rand(size, 2, SIDE, SIDE, generator=g) < 0.5
            return 2 * on.float() - 1, (on[:, 0] != on[:, 1]).long()
        places = torch.rand(size, _PLACES, generator=g).argsort(dim=1)
        x = NOISE * torch.randn(size, 3, _PLACES, generator=g)
        told = torch.rand(size, 1, generator=g) < 0.5
        x[:, 2] = told.float() - 0.5 + x[:, 2] / NOISE
        y = torch.full((size, _PLACES), -1)
        for channel, own in enumerate((told, ~told)):
            spots = places[:, channel * SPOTS : (channel + 1) * SPOTS]
            x[:, channel].scatter_add_(1, spots, torch.full(spots.shape, LOUD))
            y.scatter_(1, spots, own.long().expand(-1, SPOTS))
        return x.unflatten(2, (SIDE, SIDE)), y.unflatten(1, (SIDE, SIDE))


def asked_loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Cross entropy over the pixels that are asked for; outputs (b, 1, h, w) are log odds."""
    asked = y >= 0
    return F.binary_cross_entropy_with_logits(outputs[:, 0][asked], y[asked].to(outputs.dtype))


def right_pixels(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The share of right pixels of each picture, (n,), among those that are asked for."""
    asked = y >= 0
    right = ((answers_of(model, x)[:, 0] > 0) == (y > 0)) & asked
    return right.double().sum(dim=(1, 2)) / asked.sum(dim=(1, 2))


def most_of_one_pixel() -> float:
    """Ceiling on *stain* of who sees a spot and its own cue: its sign is right so often."""
    return (1 + erf(TOLD / sqrt(2))) / 2


def most_of_lines(draws: int = 20_000) -> tuple[float, float]:
    """Ceilings on *either-or* of one line for all pictures, and of the best line of each picture.

    A line through the plane of the two numbers has at most three of the four corners right.  For
    each picture the fewest pixels can be in the fourth; counted in drawn pictures.
    """
    g = torch.Generator().manual_seed(0)
    corner = torch.randint(4, (draws, _PLACES), generator=g, device="cpu")
    fewest = F.one_hot(corner, 4).sum(dim=1).min(dim=1).values.double().mean().item()
    return 0.75, 1 - fewest / _PLACES
