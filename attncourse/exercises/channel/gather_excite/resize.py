"""The exercise on a global kernel for another size of map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.channel.gather_excite.code import CHAPTER, Draw, Function
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe


def _kernels(c: int, h: int, w: int, rows: int, columns: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        kernel = torch.randn(c, 1, h, w, generator=generator, dtype=torch.float64)
        return {"kernel": kernel, "rows": rows, "columns": columns}

    return draw


def _area(kernel: Tensor, rows: int, columns: int) -> float:
    return kernel.shape[2] * kernel.shape[3] / (rows * columns)


@recipe
def _resized(
    *,
    size: Callable[[int, int], tuple[int, int]] = lambda rows, columns: (rows, columns),
    mode: dict[str, Any] | None = None,
    factor: Callable[[Tensor, int, int], Any] = _area,
) -> Function:
    """Interpolate, then scale, with one step changed by each argument."""

    def resized(kernel: Tensor, rows: int, columns: int) -> Tensor:
        found = F.interpolate(
            kernel, size(rows, columns), **(mode or {"mode": "bilinear", "align_corners": False})
        )
        return found * factor(kernel, rows, columns)

    return resized


def _by_hand(kernel: Tensor, rows: int, columns: int) -> Tensor:
    """The same as a product with a matrix for each axis."""

    def matrix(old: int, new: int) -> Tensor:
        at = ((torch.arange(new).to(kernel) + 0.5) * old / new - 0.5).clamp(0, old - 1)
        apart = (at[:, None] - torch.arange(old).to(kernel)).abs()
        return (1 - apart).clamp(min=0)

    down, across = matrix(kernel.shape[2], rows), matrix(kernel.shape[3], columns)
    return _area(kernel, rows, columns) * (down @ kernel @ across.T)


RESIZED = FunctionExercise(
    chapter=CHAPTER,
    name="resized",
    title="Extend: a global kernel for another size",
    level=2,
    task="A learned gather over the whole map has a kernel for each channel, (c, 1, h, w). Write "
    "`resized(kernel, rows, columns)`: the kernels for maps of rows × columns, (c, 1, rows, "
    "columns). Interpolate them bilinearly with `align_corners=False`, and scale them by one "
    "number, so that a kernel that took the mean of the old map takes the mean of the new one.",
    hints=(
        "`F.interpolate(kernel, (rows, columns), mode='bilinear', align_corners=False)`.",
        "A kernel that takes a mean holds 1/(hw) everywhere. What must it hold on the new map?",
        "Multiply by h w / (rows · columns).",
    ),
    explanation="What is gathered is a sum over positions: with four times as many, each must "
    "count a quarter. The batch normalisation behind it keeps statistics of the old size, and "
    "they fit the better the less the statistics of the maps change.",
    reference=_resized(),
    alternatives=(_by_hand,),
    cases=(
        Case("twice the sides", _kernels(3, 4, 4, 8, 8)),
        Case("smaller and not square", _kernels(2, 6, 5, 4, 3)),
        Case("the size it had", _kernels(2, 3, 4, 3, 4)),
        Case("from one position", _kernels(2, 1, 1, 3, 2)),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "no factor",
            "The kernel has the new size and the old weights. On twice the sides it would gather "
            "four times as much.",
            _resized(factor=lambda kernel, rows, columns: 1),
        ),
        Misconception(
            "the factor upside down",
            "More positions must count less each: multiply by the old area over the new one.",
            _resized(factor=lambda kernel, rows, columns: 1 / _area(kernel, rows, columns)),
        ),
        Misconception(
            "the factor of one side",
            "The map grows along both sides, so the factor is a ratio of areas.",
            _resized(factor=lambda kernel, rows, columns: kernel.shape[2] / rows),
        ),
        Misconception(
            "corners aligned",
            "With align_corners=True the outermost positions are pinned to the corners, and the "
            "kernel is stretched by another ratio.",
            _resized(mode={"mode": "bilinear", "align_corners": True}),
        ),
        Misconception(
            "the nearest neighbour",
            "You repeat weights. Interpolate bilinearly between them.",
            _resized(mode={"mode": "nearest"}),
        ),
    ),
)
