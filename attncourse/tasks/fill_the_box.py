"""Fill the box: paint the inside of an outline that looks like the outside, pixel by pixel.

==========  ==========================================================================
kind        holds
==========  ==========================================================================
one         one box, its sides from 6 to 12
two         two boxes of one shape, sides 5 to 7, in opposite quarters of the picture
colours     the same, each box in a channel of its own
==========  ==========================================================================

The outline is 1 and all else 0, without noise: an empty pixel inside is equal to one outside.
Rows and columns of two boxes are disjoint.  Where the rows inside one box cross the columns inside
the other lies a *ghost*: a rectangle as large as a box, whose every row and every column holds two
outlined pixels, as in a box.

Let a feature be a function of the pixel itself and of what its row and its column are (inside a
box, on its border, or free).  Means over rows, over columns or over the picture are of that kind,
because both boxes have one shape, and so is whatever layers of one pixel make of such features.
A pixel inside and one of a ghost are then equal, whatever the depth: each picture scores one half.
Layers that see ``d`` pixels leave those further than ``d`` from every outline equal, as long as the
boxes, widened by ``d``, lie in the picture and share no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import DrawnCases, answers_of, chosen, drawn_on_the_processor

KINDS = ("one", "two", "colours")
SIDE = 16
#: What a pixel is: never asked for, empty, to be painted, empty in a ghost.
OUTLINE, OUTSIDE, INSIDE, GHOST = -1, 0, 1, 2
_HALF = SIDE // 2


@drawn_on_the_processor
@dataclass(frozen=True)
class FillTheBox(DrawnCases):
    """Pictures of one kind, with what each pixel is.

    Attributes:
        kind: ``"one"``, ``"two"`` or ``"colours"``.
        test_size: number of fixed test pictures.

    Raises:
        ValueError: if the kind is unknown.

    Examples:
        >>> x, y = FillTheBox("two").train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 1, 16, 16]), torch.Size([32, 16, 16]))
    """

    stream: ClassVar[int] = 61
    test_seed: ClassVar[int] = 61_000
    kind: str = "one"
    test_size: int = 512

    def __post_init__(self) -> None:
        chosen("kind", self.kind, KINDS)

    @property
    def classes(self) -> int:
        """Empty and painted."""
        return 2

    @property
    def channels(self) -> int:
        """Of a picture."""
        return 2 if self.kind == "colours" else 1

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (size, channels, 16, 16), and what each pixel is, (size, 16, 16)."""
        if self.kind == "one":
            sides = torch.randint(6, 13, (size, 1, 2), generator=g)
            first = (torch.rand(size, 1, 2, generator=g) * (SIDE + 1 - sides)).long()
        else:
            sides = torch.randint(5, 8, (size, 1, 2), generator=g).expand(-1, 2, -1)
            first = (torch.rand(size, 2, 2, generator=g) * (_HALF + 1 - sides)).long()
            falling = torch.rand(size, generator=g) < 0.5  # along which diagonal
            first[:, 1, 0] += _HALF
            first[falling, 1, 1] += _HALF
            first[~falling, 0, 1] += _HALF
        whole, within = _lines(first, sides), _lines(first + 1, sides - 2)
        boxes = whole[:, :, 0, :, None] & whole[:, :, 1, None]
        inside = within[:, :, 0, :, None] & within[:, :, 1, None]
        y = torch.full((size, SIDE, SIDE), OUTSIDE)
        y[within[:, :, 0].any(1)[:, :, None] & within[:, :, 1].any(1)[:, None]] = GHOST
        y[inside.any(1)] = INSIDE
        outlines = boxes & ~inside
        y[outlines.any(1)] = OUTLINE
        x = outlines if self.kind == "colours" else outlines.any(1, keepdim=True)
        return x.float(), y


def _lines(first: Tensor, count: Tensor) -> Tensor:
    """Which of the rows, or columns, lie among ``count`` from ``first`` on; one axis more."""
    lines = torch.arange(SIDE)
    return (lines >= first[..., None]) & (lines < (first + count)[..., None])


def painted_loss(outputs: Tensor, y: Tensor) -> Tensor:
    """Cross entropy over all pixels but the outline; outputs (b, 1, h, w) are log odds."""
    asked = y != OUTLINE
    return F.binary_cross_entropy_with_logits(
        outputs[:, 0][asked], (y[asked] == INSIDE).to(outputs.dtype)
    )


def inside_and_out(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """For each picture the mean of two shares, (n,): of the inside painted, of the rest not.

    The rest is the ghosts where there are some, else all that lies outside.
    """
    painted = answers_of(model, x, 256)[:, 0] > 0
    inside = y == INSIDE
    rest = y == (GHOST if (y == GHOST).any() else OUTSIDE)
    shares = [
        (right & asked).double().sum(dim=(1, 2)) / asked.sum(dim=(1, 2))
        for right, asked in ((painted, inside), (~painted, rest))
    ]
    return torch.stack(shares).mean(dim=0)
