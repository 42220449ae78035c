"""The exercise on spatial transformers that asks for a reading: the sampler."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.exercises.spatial.spatial_transformer.grid import CHAPTER, Draw, Function
from attncourse.spatial.spatial_transformer.sampler import bilinear_sample, target_points

# 4. The sampler --------------------------------------------------------------------------


def _image_and_grid(
    b: int, c: int, h: int, w: int, rows: int, columns: int, reach: float = 0.9, **like: Any
) -> Draw:
    """An image, and random places up to ``reach`` from the centre; beyond 1 is outside."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        x = torch.randn(b, c, h, w, generator=generator, **like)
        share = torch.rand(b, rows, columns, 2, generator=generator, **like)
        return {"x": x, "grid": reach * (2 * share - 1)}

    return draw


def _constant_on_pixels(generator: torch.Generator) -> dict[str, Any]:
    """Whole pixels inside a constant image: the sides of (4) are powers of two, and no place is
    rounded.  The reading does not change in any direction, so that every sub-gradient is zero.
    """
    x = torch.randn(2, 3, 1, 1, generator=generator, dtype=torch.float64).expand(-1, -1, 4, 8)
    grid = target_points(4, 8, like=x)[1:-1, 1:-1].expand(2, -1, -1, -1)
    return {"x": x.contiguous(), "grid": grid.contiguous()}


def _library(**options: Any) -> Function:
    return lambda x, grid: F.grid_sample(x, grid, **({"align_corners": False} | options))


@recipe
def _corner_by_corner(
    *,
    mask: bool = True,
    opposite: bool = False,
    late: bool = False,
    whole: Callable[[Tensor], Tensor] = torch.floor,
    half: float = 0.5,
) -> Any:
    """The four neighbours written out, with one step changed by each argument."""

    def sample(x: Tensor, grid: Tensor) -> Tensor:
        h, w = x.shape[2:]
        across, down = (grid[..., 0] + 1) * w / 2 - half, (grid[..., 1] + 1) * h / 2 - half
        left, top = whole(across), whole(down)
        a, b = across - left, down - top
        if opposite:
            a, b = 1 - a, 1 - b
        y: Any = 0
        for i, j in itertools.product((0, 1), (0, 1)):
            row, column = top + i, left + j
            if late:
                row, column = row.clamp(0, h - 1), column.clamp(0, w - 1)
                a, b = across - column + j, down - row + i
            share = (b if i else 1 - b) * (a if j else 1 - a)
            inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            if mask:
                share = share * inside
            index = row.clamp(0, h - 1).long() * w + column.clamp(0, w - 1).long()
            index = index.flatten(1)[:, None].expand(-1, x.shape[1], -1)
            y = y + share[:, None] * x.flatten(2).gather(2, index).unflatten(2, grid.shape[1:3])
        return y

    return sample


SAMPLE = FunctionExercise(
    chapter=CHAPTER,
    name="sample",
    title="Write the sampler",
    level=3,
    task="Write `sample(x, grid)`: read images (b, c, h, w) at the places (b, rows, columns, 2), "
    "bilinearly, zeros outside, -1 and 1 at the outer edges. Gradients are checked too.",
    hints=(
        "Turn the places into pixels with (3). Each one lies among four pixels: `floor` gives the "
        "upper left one, and the remainders a and b give the four shares.",
        "The shares are (1 - a)(1 - b), a(1 - b), (1 - a)b and ab. `floor` has no gradient, but a "
        "and b have one: compute them as `across - across.floor()`. On a pixel autograd takes the "
        "slope of |0| as 0, so that 1 - |p - m| leaves out a neighbour there.",
        "To read pixel (n, m) of every channel: `x.flatten(2).gather(2, index)` with "
        "`index = n * w + m`, expanded to (b, c, rows * columns).",
        "Outside, an index would be illegal. Clamp the index *after* the shares are computed, and "
        "multiply the shares by whether the pixel exists.",
    ),
    explanation="Four readings a value, whatever the warp. `torch.nn.functional.grid_sample` is "
    "this in one kernel.",
    reference=bilinear_sample,
    alternatives=(_library(), _corner_by_corner()),
    cases=(
        Case("places inside", _image_and_grid(2, 3, 5, 5, 4, 4, 0.75)),
        Case("not square", _image_and_grid(1, 2, 4, 7, 3, 5)),
        Case("across the border and beyond", _image_and_grid(2, 2, 5, 4, 6, 6, 1.6)),
        Case("one pixel", _image_and_grid(2, 1, 1, 1, 3, 3, 1.5)),
        Case("a constant image on its pixels: every slope is zero", _constant_on_pixels),
        Case("double precision", _image_and_grid(2, 1, 6, 5, 3, 4, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "no reading is larger than the largest pixel, in size",
            lambda inputs, y: bool(y.abs().max() <= inputs["x"].abs().max() * (1 + 1e-5)),
        ),
    ),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "the nearest pixel",
            "You round to one pixel. Its value does not change as the place moves a little, so "
            "that no warp can learn: mix four pixels.",
            _library(mode="nearest"),
        ),
        Misconception(
            "a truncation in place of the floor",
            "Left of the first pixel and above it, your upper left neighbour is on the wrong side: "
            "a truncation goes towards zero, `floor` always down.",
            _corner_by_corner(whole=torch.trunc),
        ),
        Misconception(
            "half a pixel left out",
            "You take (x + 1)w / 2. Pixel centres, not edges, have the indices 0 to w - 1: "
            "subtract one half.",
            _corner_by_corner(half=0.0),
        ),
        Misconception(
            "shares taken after the clamp",
            "You clamp the neighbours first, and then take the distance to them. Outside, these "
            "shares are not those of (4): fix the shares before you clamp the index.",
            _corner_by_corner(mask=False, late=True),
        ),
        Misconception(
            "all or nothing at the edge",
            "You drop a reading whose place is outside, or keep it whole. Near the edge some of "
            "its four pixels exist: ask it of each pixel.",
            lambda x, grid: bilinear_sample(x, grid) * _is_inside(grid),
            also=(lambda x, grid: _corner_by_corner(mask=False)(x, grid) * _is_inside(grid),),
        ),
        Misconception(
            "a repeated border",
            "Outside you read the border's pixels again, as a clamped index does. In (4) the sum "
            "runs over pixels that exist: multiply the share of one that does not by zero.",
            _corner_by_corner(mask=False),
        ),
        Misconception(
            "corners aligned",
            "Your formula for pixels is that of `align_corners=True`, (x + 1)(w - 1) / 2. Here it "
            "is ((x + 1)w - 1) / 2.",
            _library(align_corners=True),
        ),
        Misconception(
            "x and y exchanged",
            "`grid[..., 0]` is x, the place along the width; `grid[..., 1]` is y.",
            lambda x, grid: bilinear_sample(x, grid.flip(-1)),
        ),
        Misconception(
            "shares of the opposite corners",
            "The nearer a pixel, the larger its share: the left one gets 1 - a, the right one a.",
            _corner_by_corner(opposite=True),
        ),
        Misconception(
            "a mean of the four neighbours",
            "All four count alike in your sum. Their shares depend on the place.",
            lambda x, grid: _mean_of_four(x, grid),
        ),
    ),
)


def _is_inside(grid: Tensor) -> Tensor:
    return (grid.abs() <= 1).all(dim=-1)[:, None]


def _mean_of_four(x: Tensor, grid: Tensor) -> Tensor:
    h, w = x.shape[2:]
    size = torch.tensor([w, h]).to(grid)
    middle = (((grid + 1) * size - 1) / 2).floor() + 0.5
    return bilinear_sample(x, (2 * middle + 1) / size - 1)
