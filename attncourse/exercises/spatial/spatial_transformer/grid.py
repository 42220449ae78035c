"""Exercises on spatial transformers that ask for places: the affine grid, two warps in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.spatial.spatial_transformer.sampler import target_points
from attncourse.spatial.spatial_transformer.warps import Affine

CHAPTER = "spatial/spatial_transformer"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The affine grid ----------------------------------------------------------------------


def _axis(size: int, like: Tensor) -> Tensor:
    return (2 * torch.arange(size).to(like) + 1) / size - 1


def _corners(size: int, like: Tensor) -> Tensor:
    return torch.linspace(-1, 1, size).to(like)


def _corners_or_middle(size: int, like: Tensor) -> Tensor:
    """As PyTorch places them: a single point in the middle."""
    return _corners(size, like) if size > 1 else torch.zeros(1).to(like)


@recipe
def _grid(
    axis: Callable[[int, Tensor], Tensor] = _axis,
    *,
    turned: bool = False,
    shifted: bool = True,
    exchanged: bool = False,
    swapped: bool = False,
) -> Function:
    """The grid written out, with one step changed by each argument."""

    def affine_grid(theta: Tensor, height: int, width: int) -> Tensor:
        y, x = torch.meshgrid(axis(height, theta), axis(width, theta), indexing="ij")
        points = torch.stack([y, x] if exchanged else [x, y], dim=-1)
        linear = theta[:, :, :2] if turned else theta[:, :, :2].mT
        grid = (points.flatten(0, 1) @ linear).unflatten(1, (height, width))
        if shifted:
            grid = grid + theta[:, None, None, :, 2]
        return grid.flip(-1) if swapped else grid

    return affine_grid


def _reference(theta: Tensor, height: int, width: int) -> Tensor:
    return Affine().grid(theta.flatten(1), target_points(height, width, like=theta))


def _size(b: int, height: int, width: int, dtype: torch.dtype = torch.float32) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        theta = torch.randn(b, 2, 3, generator=generator, dtype=dtype)
        return {"theta": theta, "height": height, "width": width}

    return draw


def _affine_in_x(inputs: Any, grid: Tensor) -> bool:
    steps = grid.diff(dim=2)
    return steps.shape[2] == 0 or torch.allclose(steps, steps[:, :, :1].expand_as(steps), atol=1e-4)


GRID = FunctionExercise(
    chapter=CHAPTER,
    name="affine_grid",
    title="Write the affine grid",
    level=1,
    task="Write `affine_grid(theta, height, width)`: from matrices (b, 2, 3) to source points "
    "(b, height, width, 2), x first, with -1 and 1 at the outer edges of the output.",
    hints=(
        "First the target points, then one product with the matrix. Where are the centres of w "
        "pixels that fill the range from -1 to 1?",
        "Column j of w stands at `(2 * j + 1) / w - 1`. `torch.meshgrid(y, x, indexing='ij')` "
        "gives two (height, width) maps; stack x first.",
        "With `points` of shape (height, width, 2): `points @ theta[:, None, :, :2].mT` and "
        "`theta[:, None, None, :, 2]` have shapes that fit.",
    ),
    explanation="`torch.nn.functional.affine_grid` does the same; both of its alignments differ "
    "only in where the target points lie.",
    reference=_reference,
    alternatives=(
        _grid(),
        lambda theta, height, width: torch.nn.functional.affine_grid(
            theta, [len(theta), 1, height, width], align_corners=False
        ),
    ),
    cases=(
        Case("plain", _size(2, 4, 4)),
        Case("not square", _size(3, 3, 6)),
        Case("one row", _size(1, 1, 5)),
        Case("double precision", _size(2, 5, 2, torch.float64)),
    ),
    properties=(
        Property(
            "steps along a row are equal, since an affine map is a straight one", _affine_in_x
        ),
    ),
    misconceptions=(
        Misconception(
            "points from corner to corner",
            "Your outermost points are at -1 and 1, the centres of the corner pixels. That is "
            "`align_corners=True`; here -1 and 1 are the pixels' outer edges.",
            _grid(_corners),
            also=(_grid(_corners_or_middle),),
        ),
        Misconception(
            "a shift left out",
            "The third column of the matrix is added to every point.",
            _grid(shifted=False),
        ),
        Misconception(
            "a transposed matrix",
            "The rows of theta give x and y of the source. With points as rows the product is "
            "`points @ A.mT`.",
            _grid(turned=True),
        ),
        Misconception(
            "target points with y first",
            "Stack x, the place along the width, before y: theta expects (x, y, 1).",
            _grid(exchanged=True),
        ),
        Misconception(
            "an output with y first",
            "The product is right. The last axis of the result is (x, y), not (row, column).",
            _grid(swapped=True),
        ),
        Misconception(
            "row and column exchanged throughout",
            "You treat every point as (y, x), before and after the product. The first row of theta "
            "gives x.",
            _grid(exchanged=True, swapped=True),
        ),
        Misconception(
            "pixels counted from the left edge",
            "Your points are at the pixels' left and upper edges. Add half a pixel: 2j + 1, and "
            "not 2j.",
            _grid(lambda size, like: 2 * torch.arange(size).to(like) / size - 1),
        ),
        Misconception(
            "points counted in pixels",
            "You multiply pixel indices by the matrix. Column j of w stands at (2j + 1) / w - 1.",
            _grid(lambda size, like: torch.arange(size).to(like)),
            also=(_grid(lambda size, like: torch.arange(size).to(like) + 0.5),),
        ),
        Misconception(
            "points from 0 to 1",
            "Your points run from 0 to 1. Here they run from -1 to 1: twice that, less 1.",
            _grid(lambda size, like: (2 * torch.arange(size).to(like) + 1) / (2 * size)),
        ),
        Misconception(
            "height and width exchanged",
            "You make width rows and height columns. The result is (b, height, width, 2).",
            lambda theta, height, width: _grid()(theta, width, height),
        ),
        Misconception(
            "a shift before the matrix",
            "You shift the points and then multiply: A(p + t). In (2) the shift is added last: "
            "Ap + t.",
            lambda theta, height, width: _grid()(
                _joined(theta[:, :, :2], (theta[:, :, :2] @ theta[:, :, 2:])[:, :, 0]),
                height,
                width,
            ),
        ),
        Misconception(
            "a warp from the input to the output",
            "You apply the inverse of the matrix. It takes target points to source points as it "
            "is.",
            lambda theta, height, width: _grid()(
                torch.linalg.inv(_whole(theta))[:, :2], height, width
            ),
        ),
    ),
)

# 2. Two warps in a row -------------------------------------------------------------------


def _whole(matrix: Tensor) -> Tensor:
    last = torch.tensor([0.0, 0.0, 1.0]).to(matrix).expand(len(matrix), 1, 3)
    return torch.cat([matrix, last], dim=1)


def _compose(first: Tensor, second: Tensor) -> Tensor:
    return (_whole(first) @ _whole(second))[:, :2]


def _two(b: int, dtype: torch.dtype = torch.float32, pure: bool = False) -> Draw:
    """Two random warps; ``pure`` ones only shift."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        first, second = torch.randn(2, b, 2, 3, generator=generator, dtype=dtype)
        if pure:
            first[:, :, :2] = second[:, :, :2] = torch.eye(2, dtype=dtype)
        return {"first": first, "second": second}

    return draw


def _joined(linear: Tensor, shift: Tensor) -> Tensor:
    return torch.cat([linear, shift[:, :, None]], dim=2)


COMPOSE = FunctionExercise(
    chapter=CHAPTER,
    name="compose",
    title="Two transformers in a row",
    level=2,
    task="Write `compose(first, second)`: the one matrix (b, 2, 3) that reads the input as two "
    "transformers in a row do, the first one next to the input.",
    hints=(
        "Follow one output pixel p backwards. Where in the middle image is it read? And where in "
        "the input is that place read?",
        "The middle place is A₂p, the input's is A₁(A₂p). Write it out with a linear part L and a "
        "shift t each.",
        "L = L₁L₂ and t = L₁t₂ + t₁. Or give both matrices a third row (0, 0, 1) and multiply.",
    ),
    explanation="Warps map output to input, so the one that acts last on the image stands "
    "rightmost in the product.",
    reference=_compose,
    alternatives=(
        lambda first, second: _joined(
            first[:, :, :2] @ second[:, :, :2],
            (first[:, :, :2] @ second[:, :, 2:])[:, :, 0] + first[:, :, 2],
        ),
    ),
    cases=(
        Case("plain", _two(4)),
        Case("one image", _two(1)),
        Case("shifts alone", _two(2, pure=True)),
        Case("double precision", _two(3, torch.float64)),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-4),
    misconceptions=(
        Misconception(
            "the product in the order of the layers",
            "A warp maps output to input. Start at the output, with the second transformer: A₁A₂.",
            lambda first, second: _compose(second, first),
        ),
        Misconception(
            "shifts that are only added",
            "The second shift is made in the middle image; the first matrix scales and turns it "
            "too: L₁t₂ + t₁.",
            lambda first, second: _joined(
                first[:, :, :2] @ second[:, :, :2], first[:, :, 2] + second[:, :, 2]
            ),
        ),
        Misconception(
            "a shift that is lost",
            "The linear parts are right, and t₂ is carried over. Add the first transformer's own "
            "shift t₁.",
            lambda first, second: first[:, :, :2] @ second,
        ),
        Misconception(
            "the second shift left out",
            "The linear parts are right, and t₁ is there. The second shift is missing: add L₁t₂.",
            lambda first, second: _joined(first[:, :, :2] @ second[:, :, :2], first[:, :, 2]),
        ),
        Misconception(
            "a shift in the order of the layers",
            "The linear parts are right, and the shift is that of the other order, L₂t₁ + t₂. "
            "The second transformer's shift is made first: L₁t₂ + t₁.",
            lambda first, second: _joined(
                first[:, :, :2] @ second[:, :, :2], _compose(second, first)[:, :, 2]
            ),
        ),
        Misconception(
            "a sum of the matrices",
            "Warps follow one another, so their matrices are multiplied. A sum of two identities "
            "would shrink the image.",
            lambda first, second: first + second,
        ),
        Misconception(
            "an elementwise product",
            "`*` multiplies entry by entry. One warp after another is a product of matrices, `@`.",
            lambda first, second: first * second,
        ),
    ),
)
