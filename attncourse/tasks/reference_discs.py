"""Mark everything that looks like the marked one: segmentation that needs the whole scene.

A scene shows five discs on black, in five of nine slots.  The first one is the *reference*: it has
a white core, and its ring has one of four colours.  Two more discs share its colour, two have
others.  Labels, pixel by pixel:

=====  ==================================================
0      background
1      a disc of another colour
2      a disc of the reference's colour
3      the reference itself, which is ignored
=====  ==================================================

Which of 1 and 2 a disc is, no window smaller than the distance to the reference can tell.
Without looking there, both are a coin flip, each with an IoU of about one third.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attncourse.tasks.base import drawn_on_the_processor, seeded

SIDE, SLOT, DISCS = 24, 8, 5
#: Red, green, blue, yellow.
COLOURS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0))
NAMES = ("background", "another colour", "the reference's colour")
REFERENCE = len(NAMES)
_CORE = 1.3
_TEST_SEED = 3_000


@drawn_on_the_processor
@dataclass(frozen=True)
class ReferenceDiscs:
    """Scenes of discs, drawn afresh for every batch.

    Attributes:
        noise: standard deviation of the noise on every pixel and colour.
        test_size: number of fixed test scenes.

    Raises:
        ValueError: if the noise is negative.

    Examples:
        >>> x, y = ReferenceDiscs().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 3, 24, 24]), torch.Size([32, 24, 24]))
    """

    noise: float = 0.2
    test_size: int = 256

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise ValueError(f"noise={self.noise} is a spread: use 0 or more")

    @property
    def classes(self) -> int:
        """Background, another colour, the reference's colour."""
        return len(NAMES)

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` scenes (size, 3, 24, 24) and labels (size, 24, 24)."""
        return self.draw(size, seeded(seed, step, 1))[:2]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test scenes and labels."""
        return self.draw(self.test_size, seeded(_TEST_SEED))[:2]

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Scenes, labels, and which disc each pixel belongs to, (size, 24, 24), or -1."""

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        slots = uniform(size, (SIDE // SLOT) ** 2).argsort(dim=1)[:, :DISCS]
        corner = torch.stack([slots // (SIDE // SLOT), slots % (SIDE // SLOT)], dim=2) * SLOT
        centre = corner + (SLOT - 1) / 2 + 2 * uniform(size, DISCS, 2) - 1
        radius = 2.2 + uniform(size, DISCS)
        own = torch.randint(len(COLOURS), (size, 1), generator=generator)
        step = torch.randint(1, len(COLOURS), (size, 2), generator=generator)
        colour = torch.cat([own.expand(-1, 3), (own + step) % len(COLOURS)], dim=1)

        line = torch.arange(SIDE).float()
        down = line[:, None] - centre[:, :, 0, None, None]
        across = line[None, :] - centre[:, :, 1, None, None]
        distance = (down.square() + across.square()).sqrt()  # size, discs, side, side
        inside = distance <= radius[:, :, None, None]
        # Discs in neighbouring slots may touch; the earlier one then lies on top.
        disc = torch.where(inside.any(dim=1), inside.float().argmax(dim=1), -1)
        paint = torch.cat([torch.tensor(COLOURS)[colour], torch.zeros(size, 1, 3)], dim=1)
        x = paint[torch.arange(size)[:, None, None], disc].movedim(-1, 1)
        x = torch.where((distance[:, 0] <= _CORE)[:, None], 1.0, x)
        x = x + self.noise * torch.randn(x.shape, generator=generator)
        meaning = torch.tensor([REFERENCE, 2, 2, 1, 1, 0])  # the last one for -1
        return x, meaning[disc], disc
