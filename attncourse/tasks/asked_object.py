"""Asked object: a question names one of four objects, and one of its two attributes.

An image has sixteen cells, and four of them hold an object: one of each colour, with a shape and a
grey texture of its own, one of four each.  A question names a colour and says *shape* or
*texture*.  The answer is a number from 0 to 3, the same four numbers for shapes and for textures,
so that neither the object alone nor the attribute alone settles it.

The question travels with the image, as planes that are constant over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.tasks.base import DrawnCases, drawn_on_the_processor

#: Cells along each side, pixels along a cell, colour planes of an image, width of a question.
GRID, CELL, PLANES, QUESTION = 4, 4, 3, 6
COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("ring", "disc", "saltire", "stairs")
TEXTURES = ("columns", "rows", "chequers", "halves")
ATTRIBUTES = ("shape", "texture")

_RGB = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0))
_SHAPES = (
    ("####", "#..#", "#..#", "####"),
    (".##.", "####", "####", ".##."),
    ("#..#", ".##.", ".##.", "#..#"),
    ("##..", "##..", "..##", "..##"),
)
_TEXTURES = (
    ("+-+-", "+-+-", "+-+-", "+-+-"),
    ("++++", "----", "++++", "----"),
    ("+-+-", "-+-+", "+-+-", "-+-+"),
    ("++--", "++--", "++--", "++--"),
)
_TEXTURE, _NOISE = 0.4, 0.1


class Scene(NamedTuple):
    """What an image shows, besides its pixels.

    Attributes:
        cells: (b, 4) the cell of each object, in reading order from 0, by colour.
        shapes: (b, 4) the shape of each object, by colour.
        textures: (b, 4) the texture of each object, by colour.
        colour: (b,) the colour that is asked for.
        attribute: (b,) 0 where the shape is asked for, 1 where the texture is.
    """

    cells: Tensor
    shapes: Tensor
    textures: Tensor
    colour: Tensor
    attribute: Tensor


def parted(x: Tensor) -> tuple[Tensor, Tensor]:
    """Image (b, 3, h, w) and question (b, 6) of what the task gives."""
    return x[:, :PLANES], x[:, PLANES:, 0, 0]


def joined(image: Tensor, question: Tensor) -> Tensor:
    """Image and question as the task gives them, (b, 9, h, w)."""
    return torch.cat([image, question[:, :, None, None].expand(-1, -1, *image.shape[2:])], dim=1)


def questions(colour: Tensor, attribute: Tensor) -> Tensor:
    """Questions (b, 6): one of four for the colour, then one of two for the attribute."""
    return torch.cat([F.one_hot(colour, 4), F.one_hot(attribute, 2)], dim=1).float()


@drawn_on_the_processor
@dataclass(frozen=True)
class AskedObject(DrawnCases):
    """Four objects of four colours, and a question about one attribute of one of them.

    Attributes:
        test_size: number of fixed test examples.

    Examples:
        >>> x, y = AskedObject().train_batch(seed=0, step=0, size=64)
        >>> x.shape, parted(x)[1].shape
        (torch.Size([64, 9, 16, 16]), torch.Size([64, 6]))
    """

    stream: ClassVar[int] = 29
    test_seed: ClassVar[int] = 29_000
    test_size: int = 4_000

    @property
    def classes(self) -> int:
        """Four values of either attribute."""
        return 4

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Images with their questions, answers, and the fields of :class:`Scene`."""
        cells = torch.rand(size, GRID**2, generator=generator).argsort(dim=1)[:, :4]
        shapes, textures = torch.randint(4, (2, size, 4), generator=generator)
        colour = torch.randint(4, (size,), generator=generator)
        attribute = torch.randint(2, (size,), generator=generator)
        noise = _NOISE * torch.randn(size, PLANES, GRID * CELL, GRID * CELL, generator=generator)
        image = pictured(cells, shapes, textures) + noise
        scene = Scene(cells, shapes, textures, colour, attribute)
        return joined(image, questions(colour, attribute)), answers(scene), *scene


def answers(scene: Scene) -> Tensor:
    """The asked attribute of the asked object, (b,)."""
    both = torch.stack([scene.shapes, scene.textures], dim=1)  # b 2 4
    n = torch.arange(len(both))
    return both[n, scene.attribute, scene.colour]


def asked_cells(scene: Scene) -> Tensor:
    """The cell of the asked object, (b,)."""
    return scene.cells.gather(1, scene.colour[:, None])[:, 0]


def pictured(cells: Tensor, shapes: Tensor, textures: Tensor) -> Tensor:
    """Images (b, 3, 16, 16) of four objects each, without noise; object k has colour k."""
    rgb = torch.tensor(_RGB)[:, :, None, None]  # k 3 1 1
    objects = rgb * (0.5 + _masks(_SHAPES)[shapes][:, :, None])
    objects = objects + _TEXTURE * _masks(_TEXTURES)[textures][:, :, None]  # b k 3 4 4
    image = objects.new_zeros(len(cells), GRID**2, PLANES, CELL, CELL)
    image[torch.arange(len(cells))[:, None], cells] = objects
    image = image.view(-1, GRID, GRID, PLANES, CELL, CELL).permute(0, 3, 1, 4, 2, 5)
    return image.reshape(-1, PLANES, GRID * CELL, GRID * CELL)


def _masks(rows: tuple[tuple[str, ...], ...]) -> Tensor:
    values = {"#": 1.0, ".": 0.0, "+": 1.0, "-": -1.0}
    return torch.tensor([[[values[s] for s in row] for row in mask] for mask in rows])


def share_right(values: int) -> float:
    """What the most frequent of ``values`` values of an image is right about, by counting.

    Each value is one of four, all alike likely.  With eight, the four shapes and four textures of
    an image, it is the best that can be done without the question; with four, the best without
    the colour; with two, the best without the attribute.
    """
    most = sum(max(map(draw.count, range(4))) for draw in product(range(4), repeat=values))
    return most / values / prod([4] * values)
