"""Exercises of the comparison that ask for a function."""

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

# 1. How far a block is from following a shuffle ---------------------------------------------


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
) -> Function:
    """The largest difference from the shuffled output; each argument changes one step."""

    def shuffle_defect(before: Tensor, after: Tensor, order: Tensor) -> Tensor:
        one, other = (after, before) if swapped else (before, after)
        places = order.argsort() if turned else order
        flat = one.flatten(2)
        flat = flat[..., places] if moved else flat
        away = size(other.flatten(2) - flat)
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
            "You compare `after` with `before` as it was. That asks whether the block noticed "
            "anything; whether it follows is asked of `before` with its pixels moved along.",
            _defect(moved=False),
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

# 2. The interval of a paired difference -----------------------------------------------------


def _scores(count: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        seed = torch.randn(count, generator=generator, dtype=torch.float64)
        noise = torch.randn(2, count, generator=generator, dtype=torch.float64)
        quantile = torch.rand((), generator=generator, dtype=torch.float64) + 2.2
        return {
            "a": 0.8 + 0.05 * seed + 0.01 * noise[0],
            "b": 0.75 + 0.05 * seed + 0.01 * noise[1],
            "t": quantile,
        }

    return draw


@recipe
def _interval(
    *,
    paired: bool = True,
    correction: int = 1,
    root: bool = True,
    quantile: float | None = None,
    reverse: bool = False,
    squared: bool = False,
) -> Function:
    """Mean and both ends; each argument changes one step."""

    def paired_interval(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        gains = b - a if reverse else a - b
        mean = gains.mean()
        if paired:
            variance = gains.var(correction=correction)
        else:
            variance = a.var(correction=correction) + b.var(correction=correction)
        deviation = variance if squared else variance.sqrt()
        half = (t if quantile is None else quantile) * deviation
        half = half / len(a) ** 0.5 if root else half
        return torch.stack([mean, mean - half, mean + half])

    return paired_interval


def _interval_by_hand(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    n, total, squares = len(a), a.new_zeros(()), a.new_zeros(())
    for one, other in zip(a, b, strict=True):
        total = total + one - other
    mean = total / n
    for one, other in zip(a, b, strict=True):
        squares = squares + (one - other - mean) ** 2
    half = t * (squares / (n - 1) / n) ** 0.5
    return torch.stack([mean, mean - half, mean + half])


def _interval_by_covariance(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    c = torch.cov(torch.stack([a, b]))
    half = t * ((c[0, 0] + c[1, 1] - 2 * c[0, 1]) / a.numel()).sqrt()
    middle = a.mean() - b.mean()
    return middle + half * torch.tensor([0.0, -1.0, 1.0], dtype=a.dtype)


INTERVAL = FunctionExercise(
    chapter=CHAPTER,
    name="paired_interval",
    title="Write the interval of a difference",
    level=2,
    task="Write `paired_interval(a, b, t)`. `a` and `b` are (s,), the scores of two networks with "
    "the same s seeds, and `t` is the point of Student's distribution that belongs to s - 1 "
    "degrees of freedom. Return three numbers, (3,): the mean of a - b, and the lower and the "
    "upper end of its interval, seed by seed.",
    hints=(
        "The seeds are shared: take the differences first, and forget a and b.",
        "`gains.std()` divides by s - 1, as it should.",
        "mean ± t · std / √s; `torch.stack` puts the three together.",
    ),
    explanation="What a seed does to both networks alike drops out of the difference.",
    reference=_interval(),
    alternatives=(_interval_by_hand, _interval_by_covariance),
    cases=(
        Case("five seeds", _scores(5)),
        Case("ten seeds", _scores(10)),
        Case("three seeds", _scores(3)),
    ),
    tolerance=EXACT,
    misconceptions=(
        Misconception(
            "not paired",
            "You add the variances of a and b. Both have the same seeds: take the spread of the "
            "differences, from which all that a seed does to both has gone.",
            _interval(paired=False),
        ),
        Misconception(
            "the spread of one seed",
            "This is where a further seed would lie. The mean of s seeds is surer: divide by √s.",
            _interval(root=False),
        ),
        Misconception(
            "a division by s",
            "You divide the squares by s. A spread that is estimated around its own mean divides "
            "by s - 1: `correction=1`, torch's default.",
            _interval(correction=0),
        ),
        Misconception(
            "the normal distribution",
            "You take 1.96. A few seeds do not tell their own spread: take the `t` that is given.",
            _interval(quantile=1.96),
        ),
        Misconception(
            "the sign turned round",
            "This is b - a; a - b is asked for.",
            _interval(reverse=True),
        ),
        Misconception(
            "no root",
            "You take the variance of the differences for their standard deviation.",
            _interval(squared=True),
        ),
    ),
)
