"""The exercise on the interval of a paired difference."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.closing.choosing.code import CHAPTER, EXACT, Draw, Function
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe


def _scores(count: int, gain: float = 0.05) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        seed = torch.randn(count, generator=generator, dtype=torch.float64)
        noise = torch.randn(2, count, generator=generator, dtype=torch.float64)
        quantile = torch.rand((), generator=generator, dtype=torch.float64) + 2.2
        return {
            "a": 0.8 + 0.05 * seed + 0.01 * noise[0],
            "b": 0.8 - gain + 0.05 * seed + 0.01 * noise[1],
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
    divisor: Callable[[int], float] = math.sqrt,
    spread: Callable[[Tensor, Tensor], Tensor] | None = None,
    ends: str = "low, high",
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
        deviation = deviation if spread is None else spread(a, b)
        half = (t if quantile is None else quantile) * deviation
        half = half / divisor(len(a)) if root else half
        low, high = mean - half, mean + half
        shown = {"low, high": (low, high), "high, low": (high, low), "half": (half, half),
                 "both halves": (-half, half), "a width": (low, high - low),
                 "whole": (mean - 2 * half, mean + 2 * half)}  # fmt: skip
        return torch.stack([mean, *shown[ends]])

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
    gradients=(),
    alternatives=(_interval_by_hand, _interval_by_covariance),
    cases=(
        Case("five seeds", _scores(5)),
        Case("ten seeds, b ahead", _scores(10, gain=-0.05)),
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
        Misconception(
            "a division by s without its root",
            "You divide the deviation by s. The variance of a mean is divided by s, so the "
            "deviation is divided by √s.",
            _interval(divisor=float),
        ),
        Misconception(
            "the root of s - 1",
            "You divide by √(s - 1). The s - 1 belongs to the spread, and `std()` has it already; "
            "the mean of s seeds is divided by √s.",
            _interval(divisor=lambda s: math.sqrt(s - 1)),
        ),
        Misconception(
            "a difference of spreads",
            "You take the spread of a less the spread of b. Take the differences first, then "
            "their spread.",
            _interval(spread=lambda a, b: a.std() - b.std()),
            also=(_interval(spread=lambda a, b: (a.std() - b.std()).abs()),),
        ),
        Misconception(
            "the spread of a alone",
            "You take the spread of one network. The interval is of the differences.",
            _interval(spread=lambda a, b: a.std()),
            also=(_interval(spread=lambda a, b: b.std()),),
        ),
        Misconception(
            "the ends swapped",
            "The lower end comes before the upper one.",
            _interval(ends="high, low"),
        ),
        Misconception(
            "half widths",
            "You return half the width in place of the ends, which lie around the mean.",
            _interval(ends="half"),
            also=(_interval(ends="both halves"), _interval(ends="a width")),
        ),
        Misconception(
            "twice as wide",
            "The interval is twice as wide as it should be: `t` reaches to either side of the "
            "mean.",
            _interval(ends="whole"),
        ),
    ),
)
