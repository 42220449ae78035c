"""Find your twin among patches: sources are squares of noisy pixels, queries are single pixels.

The channels are those of ``twin``.  Each of K *sources* is a square of p x p pixels that all carry
one identity and one colour; its *query* is one pixel with the same identity, exactly, and a flag.
Every pixel that is no query, source or background, carries noise besides:

==========  =========================================================================
channels    spread of the noise
==========  =========================================================================
0 to 3      0.25 p, on the identity
4 to 6      0.1 p, on the colour
==========  =========================================================================

Noise that grows with p leaves the mean over one source the same at every p, 0.25 and 0.1.  No
channel says where a source is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import drawn_on_the_processor
from attncourse.tasks.twin import COLOURS, IDENTITY, VARIANCE, Twins

#: Spread of the noise that the mean over one source keeps, on the identity and on the colour.
IDENTITY_NOISE, COLOUR_NOISE = 0.25, 0.1


@drawn_on_the_processor
@dataclass(frozen=True)
class PatchTwins(Twins):
    """Twins whose sources are squares.

    Attributes:
        patch: rows and columns p of a source.
        shifted: move each image as a whole by up to p - 1 rows and columns, around its edges, so
            that sources no longer lie in the cells of a fixed raster.

    Raises:
        ValueError: if p does not divide the side, or the sources leave no room for queries.

    Examples:
        >>> x, y, cells = PatchTwins(patch=4).test_cases()
        >>> x.shape, y.shape  # identity, colour, flag; colour, flag
        (torch.Size([512, 8, 8, 8]), torch.Size([512, 4, 8, 8]))
        >>> cells.shape  # the first pixel of each source, and its query
        torch.Size([512, 2, 3])
    """

    test_size: int = 512
    patch: int = 4
    shifted: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch < 1 or self.side % self.patch:
            raise ValueError(
                f"patch={self.patch} must divide side={self.side}: sources lie in a raster"
            )
        room = self.side**2 // (self.patch**2 + 1)
        if self.pairs > min(room, (self.side // self.patch) ** 2):
            raise ValueError(
                f"pairs={self.pairs} sources of {self.patch} x {self.patch} and their queries do "
                f"not fit {self.side} x {self.side}: choose fewer, or a smaller patch"
            )

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images, answers and cells, as in ``twin``; a source is named by its first pixel."""
        start, covered = self._sources(size, generator)
        room = torch.rand(size, self.side**2, generator=generator) + covered.any(dim=1)
        asks = room.argsort(dim=1)[:, : self.pairs]  # free pixels come first
        identity = torch.randn(size, self.pairs, IDENTITY, generator=generator)
        identity = F.normalize(identity, dim=2)
        colour = 2 * torch.rand(size, self.pairs, COLOURS, generator=generator) - 1
        spread = torch.tensor([IDENTITY_NOISE] * IDENTITY + [COLOUR_NOISE] * COLOURS) * self.patch
        x = spread[:, None] * torch.randn(size, len(spread), self.side**2, generator=generator)
        x = x + torch.einsum("bkn,bkc->bcn", covered.float(), torch.cat([identity, colour], dim=2))
        at = F.one_hot(asks, self.side**2).float()
        flag = at.sum(dim=1, keepdim=True)
        x = torch.cat([x * (1 - flag), flag], dim=1)
        x[:, :IDENTITY] += torch.einsum("bkn,bkc->bcn", at, identity)
        y = torch.cat([torch.einsum("bkn,bkc->bcn", at, colour), flag], dim=1)
        grid = (self.side, self.side)
        return x.unflatten(2, grid), y.unflatten(2, grid), torch.stack([start, asks], dim=1)

    def most_explained(self) -> float:
        """What a reader explains who finds every source and reads the mean over it."""
        return VARIANCE / (VARIANCE + COLOUR_NOISE**2)

    def _sources(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """First pixels (size, pairs), and which pixels each source covers, (size, pairs, n)."""
        p, side = self.patch, self.side
        slots = torch.rand(size, (side // p) ** 2, generator=generator)
        slot = slots.argsort(dim=1)[:, : self.pairs]
        row, column = slot // (side // p) * p, slot % (side // p) * p
        if self.shifted:
            by = torch.randint(p, (2, size, 1), generator=generator)
            row, column = (row + by[0]) % side, (column + by[1]) % side
        at = torch.arange(side)
        rows = (at - row[..., None]) % side < p
        columns = (at - column[..., None]) % side < p
        covered = rows[..., :, None] & columns[..., None, :]
        return row * side + column, covered.flatten(2)
