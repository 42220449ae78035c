"""Markers: which of four payloads counts, by a statistic of its marker.

Eight channels of 8 x 8 pixels: four markers and four payloads.  Payload k is s_k / 2, with s_k = +1
or -1, in noise of spread 1/2.  One k is relevant and the answer is its sign.  Its marker tells:

==========  ==========================================================================
kind        markers
==========  ==========================================================================
peak        the relevant one has a pixel of 2 and is 0 elsewhere; the others are 1/32
            everywhere.  All means are equal.
mean        each has a pixel of 2; the relevant one has 32 more of 1.  All largest
            values are equal.
either      one of the two kinds, as likely, drawn for every picture
==========  ==========================================================================

Who does not see which marker is meant knows four signs at best, and their majority is the answer
in 11 of 16 cases, a tie decided by a coin.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import DrawnCases, chosen, drawn_on_the_processor

KINDS = ("peak", "mean", "either")
SIDE, MARKERS, PEAK, COVERED, NOISE = 8, 4, 2.0, 32, 0.5
CHANNELS = 2 * MARKERS
_PLACES = SIDE**2


@drawn_on_the_processor
@dataclass(frozen=True)
class Markers(DrawnCases):
    """Pictures of one kind.

    Attributes:
        kind: ``"peak"``, ``"mean"`` or ``"either"``.
        test_size: number of fixed test pictures.

    Raises:
        ValueError: if the kind is unknown.

    Examples:
        >>> x, y = Markers("peak").train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 8, 8, 8]), torch.Size([32]))
    """

    stream: ClassVar[int] = 43
    test_seed: ClassVar[int] = 43_000
    kind: str = "either"
    test_size: int = 2_048

    def __post_init__(self) -> None:
        chosen("kind", self.kind, KINDS)

    @property
    def classes(self) -> int:
        """Minus and plus."""
        return 2

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures, answers, which marker is meant, and whether its peak tells."""
        which = torch.randint(MARKERS, (size,), generator=g)
        own = F.one_hot(which, MARKERS).bool()[..., None]
        at = torch.randint(_PLACES, (size, MARKERS, 1), generator=g)
        peak = torch.zeros(size, MARKERS, _PLACES).scatter_(2, at, PEAK)
        flat = torch.full_like(peak, PEAK / _PLACES)
        # Half of the pixels, drawn along rows and columns: a row's bit against a column's.
        bits = torch.rand(size, 2, SIDE, generator=g).argsort(dim=2) % 2
        half = (bits[:, 0, :, None] != bits[:, 1, None]).float().flatten(1)[:, None]
        tells = {"peak": 1.0, "mean": 0.0, "either": 0.5}[self.kind]
        peaked = torch.rand(size, 1, 1, generator=g) < tells
        of_peaks = torch.where(own, peak, flat)
        of_means = torch.where(own, torch.maximum(peak, half), peak)
        signs = 2.0 * (torch.rand(size, MARKERS, generator=g) < 0.5) - 1
        noise = NOISE * torch.randn(size, MARKERS, _PLACES, generator=g)
        payload = signs[..., None] / 2 + noise
        x = torch.cat([torch.where(peaked, of_peaks, of_means), payload], dim=1)
        answer = signs.gather(1, which[:, None])[:, 0] > 0
        return x.unflatten(2, (SIDE, SIDE)), answer.long(), which, peaked.flatten()


def most_blind() -> float:
    """Ceiling of who knows all four signs, and not which counts: the majority, or a coin."""
    right = 0.0
    for others in range(MARKERS):  # of the three others so many agree with the relevant one
        total = 1 + others - (MARKERS - 1 - others)
        right += (
            comb(MARKERS - 1, others)
            / 2 ** (MARKERS - 1)
            * (0.5 + 0.5 * (total > 0) - 0.5 * (total < 0))
        )
    return right


def most_half_blind() -> float:
    """Ceiling on *either* of who sees one of the two kinds."""
    return (1 + most_blind()) / 2
