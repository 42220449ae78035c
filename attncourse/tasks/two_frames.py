"""Two frames of points: what the frame before tells of the points of the present one.

``asks="mode"``: every present point carries two codes, and its label is one of them.  Which one is
said by the frame before alone: its points are bright or dark on average.

``asks="before"``: present points stand in four clusters and carry noise alone.  In the frame
before, a cluster was a little way off and marked + or -, or was not there at all; the label of a
point is which of the three.  For each cluster that was not there another one stood elsewhere, so
that both frames have as many points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.tasks.base import DrawnCases, chosen, drawn_on_the_processor

KINDS = ("mode", "before")
POINTS = 32
CLUSTERS = 4
#: Standard deviation of a cluster's points around its middle.
SPREAD = 0.03
#: How far a cluster moves between the frames.
MOTION = 0.05
#: Two middles of one frame are at least so far apart, and a cluster that left from all others.
APART = 0.35
#: Mean brightness of a frame, up or down, where one point's deviates by 1.
BRIGHTNESS = 0.5


def middles(size: int, generator: torch.Generator) -> Float[Tensor, "b 8 3"]:
    """Places on the ground, the eight of a scene at least ``APART`` from each other."""
    found = torch.empty(size, 2 * CLUSTERS, 2)
    for place in range(2 * CLUSTERS):
        again = torch.ones(size, dtype=torch.bool)
        while again.any():
            drawn = 2 * torch.rand(int(again.sum()), 2, generator=generator) - 1
            found[again, place] = drawn
            near = (found[:, :place] - found[:, place, None]).norm(dim=2) < APART
            again = near.any(dim=1)
    return torch.cat([found, torch.zeros(size, 2 * CLUSTERS, 1)], dim=2)


@drawn_on_the_processor
@dataclass(frozen=True)
class TwoFrames(DrawnCases):
    """Two frames of 32 points: positions (3) and features (2), the frame before first.

    An example is (5, 2, 32), its answer a label for each present point, (32,).  Also known of each
    example: the mode, (b,), or the state of each cluster, (b, 4).

    Attributes:
        asks: ``mode`` or ``before``.
        test_size: number of fixed test scenes.

    Raises:
        ValueError: if the kind is unknown.

    Examples:
        >>> x, y = TwoFrames().train_batch(seed=0, step=0, size=64)
        >>> x.shape, y.shape
        (torch.Size([64, 5, 2, 32]), torch.Size([64, 32]))
    """

    stream: ClassVar[int] = 58
    test_seed: ClassVar[int] = 58_100
    asks: str = "mode"
    test_size: int = 1_000

    def __post_init__(self) -> None:
        chosen("asks", self.asks, KINDS)

    @property
    def classes(self) -> int:
        """Two codes, or marked +, marked - and new."""
        return 2 if self.asks == "mode" else 3

    def draw(
        self, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b 5 2 n"], Int[Tensor, "b n"], Tensor]:
        """Scenes, the labels of their present points, and what is hidden."""
        return (_modes if self.asks == "mode" else _befores)(size, generator)


def _modes(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    mode = torch.randint(2, (size,), generator=generator)
    codes = torch.randint(2, (size, 2, POINTS), generator=generator)
    positions = 2 * torch.rand(size, 3, 2, POINTS, generator=generator) - 1
    before = torch.randn(size, 2, POINTS, generator=generator)
    before[:, 0] += BRIGHTNESS * (2 * mode[:, None] - 1)
    x = torch.cat([positions, torch.stack([before, 2.0 * codes - 1], dim=2)], dim=1)
    return x, codes[torch.arange(size), mode], mode


def _befores(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    each = POINTS // CLUSTERS
    state = torch.randint(3, (size, CLUSTERS), generator=generator)
    places = middles(size, generator)
    now, left = places.split(CLUSTERS, dim=1)
    turn = 2 * torch.pi * torch.rand(size, CLUSTERS, generator=generator)
    moved = MOTION * torch.stack([turn.cos(), turn.sin(), torch.zeros_like(turn)], dim=2)
    new = state == 2
    then = torch.where(new[..., None], left, now - moved)
    lost = torch.randint(2, (size, CLUSTERS), generator=generator)
    sign = 1.0 - 2 * torch.where(new, lost, state)
    loud = 0.5 + torch.rand(size, CLUSTERS, generator=generator)
    frames = []
    for middle, mark in ((then, sign * loud), (now, torch.zeros_like(loud))):
        flat = SPREAD * torch.randn(size, CLUSTERS, each, 3, generator=generator)
        flat[..., 2] = 0
        noise = 0.1 * torch.randn(size, CLUSTERS, each, 2, generator=generator)
        noise[..., 0] += mark[..., None]
        points = torch.cat([middle[:, :, None] + flat, noise], dim=3).flatten(1, 2)
        order = torch.rand(size, POINTS, generator=generator).argsort(dim=1)
        frames.append((points, order))
    label = state.repeat_interleave(each, dim=1)
    shuffled = [p.gather(1, o[..., None].expand_as(p)) for p, o in frames]
    return torch.stack(shuffled, dim=2).permute(0, 3, 2, 1), label.gather(1, frames[1][1]), state
