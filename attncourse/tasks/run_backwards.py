"""Run backwards: which way did a spot move, where some films are shown in reverse?

A spot moves over a torus by one pixel a frame, in one of four directions, while the light grows
evenly.  Half of the kinds of clip are then shown backwards: the spot seems to move the other way,
and the light fades.  The label is the direction in which it truly moved.

Of the eight kinds of clip (a direction, forwards or backwards), training may leave some out.  A
network that knows what a fading light means then names them all the same; one that has learned each
kind by itself does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.tasks.base import DrawnCases, drawn_on_the_processor, seeded

FRAMES, SIDE = 6, 6
DIRECTIONS = ("right", "left", "down", "up")
#: Rows and columns of one step.
STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))
#: What training leaves out by default: (direction, shown backwards).
LEFT_OUT = ((0, 1), (2, 0))
#: How much the light grows during a clip, and how far its start may be from the middle.
GROWTH, SPREAD = 1.0, 0.5


def kinds(left_out: tuple[tuple[int, int], ...] = ()) -> list[tuple[int, int]]:
    """All pairs (direction, shown backwards) but those left out."""
    return [(d, r) for d in range(4) for r in range(2) if (d, r) not in left_out]


def seems(kind: tuple[int, int]) -> int:
    """The direction in which the spot seems to move."""
    direction, backwards = kind
    return direction ^ backwards


@cache
def spot() -> Tensor:
    """A round spot at place (0, 0) of the torus, (side, side)."""
    away = torch.minimum(torch.arange(SIDE), SIDE - torch.arange(SIDE))
    return torch.exp(-(away[:, None] ** 2 + away**2) / 2)


def films(
    kind: Int[Tensor, "b 2"], start: Int[Tensor, "b 2"], light: Float[Tensor, " b"]
) -> Float[Tensor, "b 1 t s s"]:
    """Clips without noise, of given kinds, first places and mean lights."""
    time = torch.arange(FRAMES)
    steps = torch.tensor(STEPS)[kind[:, 0]]
    place = start[:, None] + time[:, None] * steps[:, None]
    axis = torch.arange(SIDE)
    rows, columns = ((axis - place[:, :, n : n + 1]) % SIDE for n in range(2))
    x = spot()[rows[..., :, None], columns[..., None, :]]
    ramp = GROWTH * (time / (FRAMES - 1) - 0.5) + light[:, None]
    x = x + ramp[:, :, None, None]
    return torch.where(kind[:, 1, None, None, None] == 1, x.flip(1), x)[:, None]


@drawn_on_the_processor
@dataclass(frozen=True)
class RunBackwards(DrawnCases):
    """Clips of 6 frames of 6 x 6 pixels, forwards or backwards.

    Half of the test clips are of the kinds that training has, half of those that it leaves out; if
    it leaves out none, all kinds are equally frequent.

    Attributes:
        left_out: kinds, (direction, backwards), that never occur in training.
        noise: standard deviation of the noise on every pixel.
        test_size: number of fixed test clips.

    Raises:
        ValueError: if a kind is unknown or none is left to train on.

    Examples:
        >>> x, y = RunBackwards().train_batch(seed=0, step=0, size=64)
        >>> x.shape, int(y.max()) < 4
        (torch.Size([64, 1, 6, 6, 6]), True)
    """

    stream: ClassVar[int] = 37
    test_seed: ClassVar[int] = 37_000
    left_out: tuple[tuple[int, int], ...] = LEFT_OUT
    noise: float = 0.1
    test_size: int = 2_000

    def __post_init__(self) -> None:
        if not set(self.left_out) < set(kinds()):
            raise ValueError(
                f"left_out={self.left_out!r} must be some, and not all, of the kinds (0 to 3, 0 "
                f"or 1)"
            )

    @property
    def classes(self) -> int:
        """One for each direction."""
        return len(DIRECTIONS)

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw training clips, the true directions, and whether each was shown backwards."""
        return self._of(kinds(self.left_out), size, generator)

    def test_cases(self) -> tuple[Tensor, ...]:
        """The test clips, directions, whether backwards: first the trained kinds, then others."""
        generator = seeded(self.test_seed)
        if not self.left_out:
            return self._of(kinds(), self.test_size, generator)
        half = self.test_size // 2
        trained = self._of(kinds(self.left_out), self.test_size - half, generator)
        others = self._of(list(self.left_out), half, generator)
        return tuple(torch.cat(pair) for pair in zip(trained, others, strict=True))

    def is_new(self) -> Tensor:
        """Which test clips are of a kind that training leaves out, (test_size,)."""
        half = self.test_size // 2 if self.left_out else 0
        return torch.arange(self.test_size) >= self.test_size - half

    def _of(
        self, among: list[tuple[int, int]], size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        kind = torch.tensor(among)[torch.randint(len(among), (size,), generator=generator)]
        start = torch.randint(SIDE, (size, 2), generator=generator)
        light = SPREAD * (2 * torch.rand(size, generator=generator) - 1)
        x = films(kind, start, light)
        x = x + self.noise * torch.randn(x.shape, generator=generator)
        return x, kind[:, 0], kind[:, 1]
