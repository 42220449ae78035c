"""The exercise on spatial transformers that asks for a bent grid: the thin-plate spline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.exercises.spatial.spatial_transformer.grid import CHAPTER, Draw, Function
from attncourse.spatial.spatial_transformer.warps import control_points, radial, spline_basis

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


def _with_a_guard(guard: float) -> Callable[[Tensor], Tensor]:
    return lambda d2: d2 * torch.log(d2 + guard)


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
            "too few equations",
            "You have k equations for k + 3 unknowns, and take the solution with the smallest "
            "coefficients. The three equations that are missing are Pᵀw = 0.",
            lambda controls, moved, points: (
                spline_basis(points, controls)
                @ torch.linalg.pinv(spline_basis(controls, controls))
                @ moved
            ),
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
            "something added before the logarithm",
            "You add a number to r² before its logarithm, which changes U everywhere. Only r = 0 "
            "needs care: `torch.xlogy(d2, d2)` is 0 there.",
            _spline(_with_a_guard(1e-6)),
            also=tuple(_spline(_with_a_guard(guard)) for guard in (1e-5, 1e-4, 1e-3, 1.0)),
        ),
        Misconception(
            "a spline on the way back",
            "Your spline takes `moved` to `controls`. Fit it at `controls`, with `moved` as what "
            "it must hit.",
            lambda controls, moved, points: _spline()(moved, controls, points),
        ),
        Misconception(
            "moves in place of places",
            "You return by how much the points move. The task asks where they go.",
            lambda controls, moved, points: _spline()(controls, moved, points) - points,
        ),
    ),
)
