"""Which lag? One pattern occurs twice in a clip of noise; the label is the time between.

Where in the clip the first occurrence stands, and which of the patterns it is, are random and
say nothing about the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import DrawnCases, drawn_on_the_processor, seeded

WIDTH = 64
_PATTERNS = 8
#: Frames at either end in which nothing occurs.  A convolution of width 3 and rate 4 spans 8
#: frames, so that none of its outputs reads an occurrence together with the zeros around the clip:
#: where in the clip it stands leaves no trace in a mean over frames.
MARGIN = 8
_PATTERN_SEED = 64


@drawn_on_the_processor
@dataclass(frozen=True)
class WhichLag(DrawnCases):
    """Clips of ``frames`` vectors of 64 numbers, with one pattern at two frames.

    Attributes:
        lags: distances that occur; the label is the place in this list.
        frames: length of a clip.
        noise: standard deviation of the noise on every number.
        test_size: number of fixed test clips.

    Raises:
        ValueError: if a lag is impossible or repeated.

    Examples:
        >>> x, y = WhichLag().train_batch(seed=0, step=0, size=64)
        >>> x.shape, int(y.max()) < 6
        (torch.Size([64, 32, 64]), True)
    """

    stream: ClassVar[int] = 3
    test_seed: ClassVar[int] = 4_000
    lags: Sequence[int] = (1, 2, 3, 4, 5, 6)
    frames: int = 32
    noise: float = 0.3
    test_size: int = 2_000

    def __post_init__(self) -> None:
        longest = self.frames - 2 * MARGIN - 1
        if len(self.lags) < 2 or len(set(self.lags)) < len(self.lags):
            raise ValueError(f"lags={self.lags!r} must be two or more, all different")
        if min(self.lags) < 1 or max(self.lags) > longest:
            raise ValueError(
                f"lags={self.lags!r} do not fit {self.frames} frames: choose from 1 to {longest}"
            )

    @property
    def classes(self) -> int:
        """One for each lag."""
        return len(self.lags)

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw clips, labels and the frames of the first occurrence."""
        label = torch.randint(len(self.lags), (size,), generator=generator)
        lag = torch.tensor(list(self.lags))[label]
        # The same places for every lag: where the pattern occurs first says nothing about it.
        places = self.frames - 2 * MARGIN - max(self.lags)
        first = MARGIN + torch.randint(places, (size,), generator=generator)
        pattern = patterns()[torch.randint(_PATTERNS, (size,), generator=generator)]
        x = self.noise * torch.randn(size, self.frames, WIDTH, generator=generator)
        clip = torch.arange(size)
        x[clip, first] += pattern
        x[clip, first + lag] += pattern
        return x, label, first


@cache
def patterns() -> Tensor:
    """The eight fixed patterns of -1 and +1, (8, 64)."""
    return 2.0 * torch.randint(2, (_PATTERNS, WIDTH), generator=seeded(_PATTERN_SEED)) - 1
