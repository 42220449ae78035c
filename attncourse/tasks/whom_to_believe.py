"""Whom to believe: one of two channels tells, or one of two kinds of places tells.

Pictures of 8 x 8 pixels with two channels of marks, *A* and *B*, and a voice, a channel with its
negative beside it.  The answer is a sign.  What has to be believed is drawn for every picture.

**Negative.** One channel of marks is 1 at 16 places, the other one is its negative, 1 at the 48
others.  The voice is +1/2 or -1/2 at every pixel and adds up to zero; at the 16 places it is the
answer.  So one must find out which channel tells, by how full it is, and then listen at its places.

==========  =========================================================================
channels    hold
==========  =========================================================================
0, 1        A and B: at every place one of them is 1
2, 3        the voice and its negative
==========  =========================================================================

**Smear.** A mark stands in one channel at 20 clean places, and in the other one at 20 smeared ones,
which a third channel shows.  The voice is the same everywhere: it is the answer if the clean marks
are in A, and the opposite if they are in B.  So one must find out where marks can be trusted, and
then which channel has them.

==========  =========================================================================
channels    hold
==========  =========================================================================
0, 1        A and B: both with 20 ones
2           1 at the 20 smeared places
3, 4        the voice, +1/2 or -1/2 everywhere, and its negative
==========  =========================================================================

In *negative* every place has the same sum and the same largest value over channels; in *smear*
channels A and B have the same sum and the same largest value over places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.tasks.base import DrawnCases, chosen, drawn_on_the_processor

KINDS = ("negative", "smear")
SIDE, TOLD, CLEAN = 8, 16, 20
_PLACES = SIDE**2


@drawn_on_the_processor
@dataclass(frozen=True)
class WhomToBelieve(DrawnCases):
    """Pictures of one kind.

    Attributes:
        kind: ``"negative"`` or ``"smear"``.
        test_size: number of fixed test pictures.

    Raises:
        ValueError: if the kind is unknown.

    Examples:
        >>> x, y = WhomToBelieve("negative").train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 4, 8, 8]), torch.Size([32]))
    """

    stream: ClassVar[int] = 41
    test_seed: ClassVar[int] = 41_000
    kind: str = "negative"
    test_size: int = 2_048

    def __post_init__(self) -> None:
        chosen("kind", self.kind, KINDS)

    @property
    def classes(self) -> int:
        """Minus and plus."""
        return 2

    @property
    def channels(self) -> int:
        """Of a picture; the last two are the voice and its negative."""
        return 4 if self.kind == "negative" else 5

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, ...]:
        """Pictures, answers, whether A is to be believed, and where, (size, 8, 8)."""
        order = torch.rand(size, _PLACES, generator=g).argsort(dim=1)
        in_a = torch.rand(size, 1, generator=g) < 0.5
        sign = (torch.rand(size, 1, generator=g) < 0.5).float() - 0.5
        maps = self._negative if self.kind == "negative" else self._smear
        channels, answer, there = maps(order, in_a, sign)
        x = torch.stack(channels, dim=1).unflatten(2, (SIDE, SIDE))
        return x, answer.long()[:, 0], in_a[:, 0], there.unflatten(1, (SIDE, SIDE))

    def _negative(
        self, order: Tensor, in_a: Tensor, sign: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        told = _ones(order[:, :TOLD])
        # As many places have the sign as have the other one; the 16 are among them.
        voice = sign * (2 * _ones(order[:, : _PLACES // 2]) - 1)
        a = torch.where(in_a, told, 1 - told)
        return [a, 1 - a, voice, -voice], sign > 0, told

    def _smear(
        self, order: Tensor, in_a: Tensor, sign: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        clean, smeared = _ones(order[:, :CLEAN]), _ones(order[:, CLEAN : 2 * CLEAN])
        a, b = torch.where(in_a, clean, smeared), torch.where(in_a, smeared, clean)
        voice = sign.expand(-1, _PLACES)
        return [a, b, smeared, voice, -voice], (sign > 0) == in_a, clean


def _ones(places: Tensor) -> Tensor:
    """Maps (size, 64) that are 1 at some places and 0 elsewhere."""
    return torch.zeros(len(places), _PLACES).scatter_(1, places, 1.0)
