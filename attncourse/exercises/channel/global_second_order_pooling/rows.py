"""An exercise on GSoP that asks for a function: a matrix, read row by row."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.global_second_order_pooling import row_products
from attncourse.exercises.channel.global_second_order_pooling.code import (
    CHAPTER,
    Draw,
    Function,
    Step,
)
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe


def _rows(b: int, d: int, e: int, m: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        return {"rows": randn(b, d, m), "weight": randn(d, e, m)}

    return draw


@recipe
def _by_rows(
    *,
    product: Callable[[Tensor, Tensor], Tensor] = row_products,
    order: Step = lambda v: v.flatten(1),
) -> Function:
    """Equation (3) without bias and function, with one step changed by each argument."""

    def row_wise(rows: Tensor, weight: Tensor) -> Tensor:
        return order(product(rows, weight))

    return row_wise


def _grouped(rows: Tensor, weight: Tensor) -> Tensor:
    d, e, m = weight.shape
    return F.conv1d(rows, weight.reshape(d * e, 1, m), groups=d).flatten(1)


ROWS = FunctionExercise(
    chapter=CHAPTER,
    name="rows",
    title="Read a matrix row by row",
    level=2,
    task="Write `row_wise(rows, weight)`: from matrices, (b, d, m), and e weight vectors for each "
    "row, (d, e, m), to the products of each row with its own vectors, (b, d e): first the e "
    "numbers of row 0, then those of row 1.",
    hints=(
        "Row i meets weight[i, 0], weight[i, 1] and so on, and no other.",
        "`torch.einsum` with the letters b d m and d e m: which of them is added up?",
        '`torch.einsum("bdm,dem->bde", rows, weight).flatten(1)`, or `F.conv1d` with d groups and '
        "kernels of length m.",
    ),
    explanation="A grouped convolution whose kernel is as long as the row has one place to stand "
    "on, and is these products.",
    reference=_grouped,
    alternatives=(
        _by_rows(),
        lambda rows, weight: (rows[:, :, None] * weight).sum(dim=3).flatten(1),
    ),
    cases=(
        Case("plain", _rows(2, 3, 4, 5)),
        Case("one image", _rows(1, 4, 2, 3)),
        Case("square", _rows(3, 3, 3, 3)),
        Case("one vector a row", _rows(2, 4, 1, 6)),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-5),
    misconceptions=(
        Misconception(
            "numbers in another order",
            "Your e first numbers belong to e rows. The numbers of row 0 come first, all of them.",
            _by_rows(order=lambda v: v.mT.flatten(1)),
        ),
        Misconception(
            "the same vectors for every row",
            "Every row has weight vectors of its own: weight[i] for row i.",
            _by_rows(product=lambda rows, w: torch.einsum("bdm,em->bde", rows, w[0])),
        ),
        Misconception(
            "all rows added up",
            "This adds up all rows, as one dense layer does. Row i speaks for channel i alone.",
            lambda rows, w: torch.einsum("bdm,dem->be", rows, w),
            (lambda rows, w: torch.einsum("bdm,dem->be", rows, w).repeat(1, rows.shape[1]),),
        ),
        Misconception(
            "a mean in place of the sum",
            "A convolution adds its products up; it does not divide by the length of the row.",
            _by_rows(product=lambda rows, w: row_products(rows, w) / rows.shape[2]),
        ),
        Misconception(
            "rows turned around",
            "What machine learning calls a convolution does not turn its kernel around.",
            _by_rows(product=lambda rows, w: row_products(rows, w.flip(2))),
        ),
        Misconception(
            "vectors of another row",
            "Row i meets weight[i].",
            _by_rows(product=lambda rows, w: row_products(rows, w.roll(1, 0))),
            (_by_rows(product=lambda rows, w: row_products(rows, w.flip(0))),),
        ),
    ),
)
