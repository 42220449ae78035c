"""The exercise that tests whether a block follows a shuffle."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe

CHAPTER = "closing/choosing"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]
EXACT = Tolerance(relative=1e-6, absolute=1e-9)


def _outputs(b: int, c: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn() -> Tensor:
            return torch.randn(b, c, h, w, generator=generator, dtype=torch.float64)

        # A cycle of three at least is not its own inverse.
        n = h * w
        order = torch.arange(n).roll(1)
        places = torch.randperm(n, generator=generator)
        cycle = torch.empty_like(order)
        cycle[places] = places[order]
        return {"before": randn(), "after": randn() - 0.3, "order": cycle}

    return draw


@recipe
def _defect(
    *,
    turned: bool = False,
    moved: bool = True,
    size: Callable[[Tensor], Tensor] = torch.abs,
    over: str = "image",
    swapped: bool = False,
    relative: bool = False,
) -> Function:
    """The largest difference from the shuffled output; each argument changes one step."""

    def shuffle_defect(before: Tensor, after: Tensor, order: Tensor) -> Tensor:
        one, other = (after, before) if swapped else (before, after)
        places = order.argsort() if turned else order
        flat = one.flatten(2)
        flat = flat[..., places] if moved else flat
        away = size(other.flatten(2) - flat)
        away = away / flat.abs().amax(dim=(1, 2), keepdim=True) if relative else away
        if over == "mean":
            return away.mean(dim=(1, 2))
        if over == "all":
            return away.amax().expand(len(away))
        if over == "sum":
            return away.sum(dim=(1, 2))
        return away.amax(dim=(1, 2))

    return shuffle_defect


def _defect_moved_back(before: Tensor, after: Tensor, order: Tensor) -> Tensor:
    back = after.flatten(2)[..., order.argsort()]
    return (back - before.flatten(2)).abs().flatten(1).max(dim=1).values


def _defect_in_loops(before: Tensor, after: Tensor, order: Tensor) -> Tensor:
    h, w = before.shape[2:]
    found = []
    for one, other in zip(before, after, strict=True):
        gaps = [
            (other[:, n // w, n % w] - one[:, int(m) // w, int(m) % w]).abs().max()
            for n, m in enumerate(order)
        ]
        found.append(torch.stack(gaps).max())
    assert h * w == len(order)
    return torch.stack(found)


DEFECT = FunctionExercise(
    chapter=CHAPTER,
    name="shuffle_defect",
    title="Write the test of a block",
    level=1,
    task="Write `shuffle_defect(before, after, order)`. A block gave `before` for a map, and "
    "`after` for the same map with its pixels shuffled: the shuffled map has at pixel n, in "
    "reading order, what the map had at pixel `order[n]`. Both outputs are (b, c, h, w), `order` "
    "is (h w). Return for each image, (b,), how far the block is from following the shuffle: the "
    "largest absolute difference between `after` and `before` shuffled in the same way.",
    hints=(
        "`before.flatten(2)` is (b, c, h w): its last axis runs over the pixels in reading order.",
        "`flat[..., order]` is the shuffled output.",
        "Subtract, take absolute values, and `.amax(dim=(1, 2))`.",
    ),
    explanation="Zero for every order and every map, and the block commutes with shuffles.",
    reference=_defect(),
    alternatives=(_defect_moved_back, _defect_in_loops),
    cases=(
        Case("plain", _outputs(3, 2, 3, 4)),
        Case("one channel", _outputs(2, 1, 2, 3)),
        Case("one row", _outputs(2, 3, 1, 5)),
    ),
    tolerance=EXACT,
    gradients=(),
    misconceptions=(
        Misconception(
            "the shuffle undone",
            "You put the pixels in the inverse order. The shuffled map has at pixel n what was at "
            "pixel `order[n]`: index `before` with `order` itself, and leave `after` alone.",
            _defect(turned=True),
            also=(_defect(swapped=True),),
        ),
        Misconception(
            "no shuffle",
            "You compare pixel n of `after` with pixel n of `before`: neither was moved, or both. "
            "That asks whether the block noticed anything. Whether it follows is asked of `after` "
            "as it is and of `before` with its pixels moved along.",
            _defect(moved=False),
        ),
        Misconception(
            "a share",
            "You divide by the size of the output; the difference itself is asked for.",
            _defect(relative=True),
        ),
        Misconception(
            "signs",
            "A difference below zero is a difference as well: take absolute values first.",
            _defect(size=lambda t: t),
        ),
        Misconception(
            "squares",
            "You square the differences; the task asks for their absolute values.",
            _defect(size=torch.square),
        ),
        Misconception(
            "a mean",
            "You average the differences. A block that fails at one pixel fails: take the largest.",
            _defect(over="mean"),
        ),
        Misconception(
            "a sum",
            "You add the differences up; take the largest.",
            _defect(over="sum"),
        ),
        Misconception(
            "all images together",
            "You take the largest difference of the whole batch. Each image has its own.",
            _defect(over="all"),
        ),
    ),
)
