"""Exercises on spatial transformers that ask for a reading: the sampler, and a bent grid."""

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
from attncourse.spatial.spatial_transformer.sampler import bilinear_sample
from attncourse.spatial.spatial_transformer.warps import control_points, radial, spline_basis

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


def _library(**options: Any) -> Function:
    return lambda x, grid: F.grid_sample(x, grid, **({"align_corners": False} | options))


@recipe
def _corner_by_corner(*, mask: bool = True, opposite: bool = False) -> Any:
    """The four neighbours written out, with one step changed by each argument."""

    def sample(x: Tensor, grid: Tensor) -> Tensor:
        h, w = x.shape[2:]
        across, down = ((grid[..., 0] + 1) * w - 1) / 2, ((grid[..., 1] + 1) * h - 1) / 2
        left, top = across.floor(), down.floor()
        a, b = across - left, down - top
        if opposite:
            a, b = 1 - a, 1 - b
        y: Any = 0
        for i, j in itertools.product((0, 1), (0, 1)):
            row, column = top + i, left + j
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
        "and b have one: compute them as `across - across.floor()`.",
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


def _mean_of_four(x: Tensor, grid: Tensor) -> Tensor:
    h, w = x.shape[2:]
    size = torch.tensor([w, h]).to(grid)
    middle = (((grid + 1) * size - 1) / 2).floor() + 0.5
    return bilinear_sample(x, (2 * middle + 1) / size - 1)


# 5. The spline ---------------------------------------------------------------------------


@recipe
def _spline(
    kernel: Callable[[Tensor], Tensor] = radial, *, conditions: bool = True, affine: bool = True
) -> Function:
    """Solve for the coefficients and add up the terms, with one step changed by each argument."""

    def thin_plate(controls: Tensor, moved: Tensor, points: Tensor) -> Tensor:
        def bumps(p: Tensor) -> Tensor:
            return kernel((p[:, None] - controls).square().sum(dim=2))

        def straight(p: Tensor) -> Tensor:
            return torch.cat([torch.ones_like(p[:, :1]), p], dim=1)

        if not affine:
            return bumps(points) @ torch.linalg.solve(bumps(controls), moved)
        if not conditions:
            plane = torch.linalg.lstsq(straight(controls), moved).solution
            rest = torch.linalg.solve(bumps(controls), moved - straight(controls) @ plane)
            return straight(points) @ plane + bumps(points) @ rest
        basis = torch.cat([straight(controls), bumps(controls)], dim=1)
        top = torch.cat([torch.zeros(3, 3).to(moved), straight(controls).T], dim=1)
        wanted = torch.cat([torch.zeros(3, 2).to(moved), moved])
        found = torch.linalg.solve(torch.cat([top, basis]), wanted)
        return torch.cat([straight(points), bumps(points)], dim=1) @ found

    return thin_plate


def _plane(controls: Tensor, moved: Tensor, points: Tensor) -> Tensor:
    straight = spline_basis(controls, controls)[:, :3]
    return spline_basis(points, controls)[:, :3] @ torch.linalg.lstsq(straight, moved).solution


def _bend(side: int, count: int, jitter: float = 0.1) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(n: int) -> Tensor:
            return torch.randn(n, 2, generator=generator, dtype=torch.float64)

        controls = control_points(side) + jitter * randn(side**2)
        return {
            "controls": controls,
            "moved": controls + 0.3 * randn(side**2),
            "points": 0.7 * randn(count),
        }

    return draw


SPLINE = FunctionExercise(
    chapter=CHAPTER,
    name="thin_plate",
    title="Bend the grid",
    level=3,
    task="Write `thin_plate(controls, moved, points)`: where the thin-plate spline that takes the "
    "control points (k, 2) to `moved`, (k, 2), takes the `points`, (n, 2).",
    hints=(
        "Equation (11) is a linear system of k + 3 unknowns for each coordinate. Build its matrix "
        "from P and the distances of the control points, and call `torch.linalg.solve`.",
        "`d2 = (points[:, None] - controls).square().sum(2)` are all squared distances, and "
        "`torch.xlogy(d2, d2)` is U, which is 0 at 0.",
        "The right side is `torch.cat([zeros(3, 2), moved])`. The result is "
        "`torch.cat([1, points, U], dim=1) @ solution`.",
    ),
    explanation="The matrix depends on the control points alone. With fixed ones its inverse is "
    "computed once, and a new warp costs one small product.",
    reference=_spline(),
    # Half of U, r² log r, gives the same spline with coefficients twice as large.
    alternatives=(_spline(lambda d2: radial(d2) / 2),),
    cases=(
        Case("nine control points", _bend(3, 7)),
        Case("sixteen on a regular lattice", _bend(4, 5, jitter=0.0)),
        Case("one point", _bend(3, 1)),
    ),
    properties=(
        Property("every answer is a finite number", lambda _, y: bool(torch.isfinite(y).all())),
    ),
    gradients=("moved",),
    tolerance=Tolerance(relative=1e-6, absolute=1e-7),
    misconceptions=(
        Misconception(
            "a plane and no bending",
            "This is the best affine map. It misses the control points; the terms with U bend it.",
            _plane,
        ),
        Misconception(
            "bumps without a plane",
            "Your map has the terms with U alone. Without a₀ + a₁x + a₂y even a shift of all "
            "control points bends the grid.",
            _spline(affine=False),
        ),
        Misconception(
            "side conditions left out",
            "You fit the plane first and the rest by bumps. The conditions Pᵀw = 0 are solved for "
            "together with the plane.",
            _spline(conditions=False),
        ),
        Misconception(
            "the distance in place of U",
            "You take r itself as the kernel. Here U(r) = r² log r².",
            _spline(lambda d2: d2.sqrt()),
        ),
        Misconception(
            "a logarithm without its square",
            "Your kernel is r log r². Here U(r) = r² log r².",
            _spline(lambda d2: torch.xlogy(d2.sqrt(), d2)),
        ),
        Misconception(
            "moves in place of places",
            "You return by how much the points move. The task asks where they go.",
            lambda controls, moved, points: _spline()(controls, moved, points) - points,
        ),
    ),
)
