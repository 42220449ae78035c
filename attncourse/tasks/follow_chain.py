"""Follow the chain: each frame says, in one of its places, which frame comes next.

A clip has six frames of four places, and every place shows a handwritten digit.  One place of each
frame also carries a tag of two codes: the frame's own and that of the frame that comes next in the
chain.  The chain starts at the frame whose own code is the first one, runs through all frames, and
has nothing to do with the order in which they are shown.  The answer is the digits at the tagged
places of the first three frames of the chain.

A place holds 128 numbers, the channels of the clip:

==========  =====================================================================
channels    hold
==========  =====================================================================
0 to 63     the digit, 8 by 8
64 to 95    the frame's own code, 32 signs, at the tagged place; else 0
96 to 127   the code of the next frame; else 0
==========  =====================================================================

There are eight codes.  The first one marks the start; the others are dealt anew for every clip, so
that a code says nothing but who comes after whom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import factorial
from typing import ClassVar

import torch
from torch import Tensor

from attncourse.layers import whole
from attncourse.tasks.base import Units, drawn_on_the_processor, seeded
from attncourse.tasks.images import digits_of

PIXELS, CODE, CODES = 64, 32, 8
CHANNELS = PIXELS + 2 * CODE
_NOISE = 0.05


@cache
def codes() -> Tensor:
    """The eight codes, (8, 32) of signs; the first marks the start of a chain."""
    return torch.randint(0, 2, (CODES, CODE), generator=seeded(36)).mul(2).sub(1).float()


@drawn_on_the_processor
@dataclass(frozen=True)
class FollowChain:
    """Clips whose frames name each other; the label is a row of digits, in the chain's order.

    Training asks for the first ``said`` digits.  The labels of the test set are those of the whole
    chain, so that a network may be asked to go on.

    Attributes:
        frames: of a clip; the chain has all of them.
        side: places along each side of a frame.
        said: digits that training asks for.
        test_size: number of fixed test examples.

    Raises:
        ValueError: if there are more frames than codes, but for one to point on to, or more digits
            asked for than frames.

    Examples:
        >>> x, y = FollowChain().train_batch(seed=0, step=0, size=64)
        >>> x.shape, y.shape
        (torch.Size([64, 128, 6, 2, 2]), torch.Size([64, 3]))
    """

    stream: ClassVar[int] = 36
    test_seed: ClassVar[int] = 36_000
    frames: int = 6
    side: int = 2
    said: int = 3
    test_size: int = 1_500

    def __post_init__(self) -> None:
        whole(frames=self.frames, side=self.side, said=self.said, test_size=self.test_size)
        if not 1 <= self.frames < CODES:
            raise ValueError(f"frames={self.frames} must be from 1 to {CODES - 1}: each has a code")
        if not 1 <= self.said <= self.frames:
            raise ValueError(
                f"said={self.said} digits of a chain of {self.frames} frames: ask for 1 to "
                f"{self.frames}"
            )

    @property
    def classes(self) -> int:
        """Ten digits."""
        return 10

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` clips of training digits, and the first digits of their chains."""
        x, y, *_ = self.draw(size, seeded(seed, step, self.stream), train=True)
        return x, y[:, : self.said]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test clips, made from test digits, and all digits of their chains."""
        x, y, *_ = self.test_cases()
        return x, y

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The test set with what is hidden in each clip: the chain and the tagged places."""
        return self.draw(self.test_size, seeded(self.test_seed), train=False)

    def test_units(self) -> Units:
        """The digit of every answer of the test set: test items are answers."""
        return self.units_from(0, self.frames)

    def units_from(self, first: int, last: int) -> Units:
        """The same for a part of the chain: answers ``first`` to ``last``, counted from 0."""
        asked = self._draw(self.test_size, seeded(self.test_seed), train=False)[4]
        return Units("digits", asked[:, first:last].flatten())

    def draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw clips, the digits of the chain, its frames, and the tagged place of each frame."""
        return self._draw(size, generator, train=train)[:4]

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        images, labels = digits_of(train)
        frames, places = self.frames, self.side**2
        shown = torch.randint(len(labels), (size, frames, places), generator=generator)
        place = torch.randint(places, (size, frames), generator=generator)
        order = torch.rand(size, frames, generator=generator).argsort(dim=1)
        clip = torch.arange(size)[:, None]
        names = 1 + torch.rand(size, CODES - 1, generator=generator).argsort(dim=1)[:, :frames]
        chain = torch.cat([torch.zeros(size, 1, dtype=torch.long), names], dim=1)
        own, after = torch.empty(2, size, frames, dtype=torch.long)
        own[clip, order], after[clip, order] = chain[:, :-1], chain[:, 1:]
        x = torch.zeros(size, frames, places, CHANNELS)
        x[..., :PIXELS] = images.flatten(1)[shown]
        at = (clip, torch.arange(frames), place)
        x[(*at, slice(PIXELS, PIXELS + CODE))] = codes()[own]
        x[(*at, slice(PIXELS + CODE, None))] = codes()[after]
        x += _NOISE * torch.randn(x.shape, generator=generator)
        asked = shown[clip, order, place[clip, order]]
        x = x.movedim(3, 1).unflatten(3, (self.side, self.side))
        return x, labels[asked], order, place, asked


def tagged(x: Tensor) -> Tensor:
    """Which places carry a tag, (b, t, n) of ones and zeros: there the codes are not near 0."""
    codes_ = x[:, PIXELS:].flatten(3).abs().mean(dim=1)
    return (codes_ > 0.5).to(x.dtype)


def told_by(x: Tensor) -> tuple[Tensor, Tensor]:
    """The own code and the next one of every frame, (b, t) each, as numbers from 0 to 7."""
    tags = (x[:, PIXELS:].flatten(3) * tagged(x)[:, None]).sum(dim=3)  # b 64 t
    own, after = tags.movedim(1, 2).unflatten(2, (2, CODE)).unbind(2)
    return (own @ codes().T).argmax(dim=2), (after @ codes().T).argmax(dim=2)


def chain_of(x: Tensor) -> Tensor:
    """The frames in the order of the chain, (b, t), as the codes of the clip tell it.

    A chain that points to a code that no frame has begins again with the first frame shown.
    """
    own, after = told_by(x)
    frame = (own == 0).int().argmax(dim=1)
    found = [frame]
    for _ in range(x.shape[2] - 1):
        wanted = after.gather(1, frame[:, None])
        frame = (own == wanted).int().argmax(dim=1)
        found.append(frame)
    return torch.stack(found, dim=1)


def relinked(x: Tensor, order: Tensor, place: Tensor) -> Tensor:
    """The same clips with the second and third frame of the chain exchanged, by their tags alone.

    The start then points to what was the third frame, that one to the second, and the second to
    the fourth.  Digits and their places stay.

    Raises:
        ValueError: if the chain has fewer than four frames.
    """
    if order.shape[1] < 4:
        raise ValueError(f"order has {order.shape[1]} frames: relinking needs at least 4")
    side = x.shape[3:]
    x, clip = x.flatten(3).clone(), torch.arange(len(x))
    own, after = slice(PIXELS, PIXELS + CODE), slice(PIXELS + CODE, None)
    first, second, third = ((order[:, n], place[clip, order[:, n]]) for n in range(3))
    name_2, name_3 = (x[clip, own, frame, at].clone() for frame, at in (second, third))
    name_4 = x[clip, after, third[0], third[1]].clone()
    for (frame, at), name in ((first, name_3), (third, name_2), (second, name_4)):
        x[clip, after, frame, at] = name
    return x.unflatten(3, side)


def share_of_the_commonest(others: int, classes: int = 10) -> float:
    """What a guess among ``others`` digits in unknown order gets: E[largest count] / others.

    Whoever knows which digits are left, and not which one comes next, does best with the commonest
    of them.  Exact, for digits that are drawn evenly: counted over all partitions of ``others``.
    """
    total = 0
    for counts in _partitions(others, classes):
        ways = factorial(others)
        for count in counts:
            ways //= factorial(count)
        arrangements = factorial(classes)
        for size in set(counts):
            arrangements //= factorial(counts.count(size))
        total += ways * arrangements * max(counts)
    return total / classes**others / others


def _partitions(total: int, parts: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as ``parts`` counts that do not grow."""
    most = total if most is None else most
    if parts == 1:
        if total <= most:
            yield (total,)
        return
    for first in range(min(total, most), -1, -1):
        for rest in _partitions(total - first, parts - 1, first):
            yield (first, *rest)
