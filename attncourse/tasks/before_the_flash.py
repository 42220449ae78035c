"""Before the flash: which figure stood in the frame just before the bright one?

Every frame holds one of four figures at a random place of a torus.  One frame, not the first, is
bright.  The label is the figure of the frame before it; the figures of all other frames are drawn
by themselves and say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import DrawnCases, drawn_on_the_processor

FRAMES, SIDE = 6, 6
FIGURES = ("flat", "upright", "falling", "rising")
#: How much brighter the frame with the flash is.
FLASH = 1.0


@cache
def figures() -> Tensor:
    """The four strokes of three pixels, all of one sum, (4, side, side)."""
    shown = torch.zeros(4, SIDE, SIDE)
    for n in range(3):
        for figure, (row, column) in enumerate(((0, n), (n, 0), (n, n), (n, 2 - n))):
            shown[figure, row, column] = 1
    return shown


def best_without_order(frames: int = FRAMES) -> float:
    """The most that a network reaches which sees a clip's frames in no order.

    It can tell the bright frame and no other, so that the label is one of ``frames - 1`` figures,
    each equally likely.  The best answer is the most frequent of them; its share is averaged over
    all cases.
    """
    others = frames - 1
    cases = list(product(range(len(FIGURES)), repeat=others))
    most = sum(max(case.count(figure) for figure in range(len(FIGURES))) for case in cases)
    return most / len(cases) / others


@drawn_on_the_processor
@dataclass(frozen=True)
class BeforeTheFlash(DrawnCases):
    """Clips of 6 frames of 6 x 6 pixels, one of them bright.

    Attributes:
        noise: standard deviation of the noise on every pixel.
        test_size: number of fixed test clips.

    Raises:
        ValueError: if the noise is negative.

    Examples:
        >>> x, y = BeforeTheFlash().train_batch(seed=0, step=0, size=64)
        >>> x.shape, int(y.max()) < 4
        (torch.Size([64, 1, 6, 6, 6]), True)
    """

    stream: ClassVar[int] = 38
    test_seed: ClassVar[int] = 38_000
    noise: float = 0.1
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if not self.noise >= 0:
            raise ValueError(f"noise={self.noise} must be at least 0")

    @property
    def classes(self) -> int:
        """One for each figure."""
        return len(FIGURES)

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw clips, the figures before the flash, and the frames of the flash."""
        figure = torch.randint(len(FIGURES), (size, FRAMES), generator=generator)
        place = torch.randint(SIDE, (size, FRAMES, 2), generator=generator)
        flash = 1 + torch.randint(FRAMES - 1, (size,), generator=generator)
        axis = torch.arange(SIDE)
        rows, columns = ((axis - place[:, :, n : n + 1]) % SIDE for n in range(2))
        x = figures()[figure[:, :, None, None], rows[..., :, None], columns[..., None, :]]
        x = x + FLASH * F.one_hot(flash, FRAMES).float()[:, :, None, None]
        x = x + self.noise * torch.randn(x.shape, generator=generator)
        label = figure.gather(1, flash[:, None] - 1)[:, 0]
        return x[:, None], label, flash
