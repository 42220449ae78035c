"""Exercises on the softmax that ask for a function: the softmax itself and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.shelf import adds_up, softmax_backward

CHAPTER = "foundations/what_is_attention"
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. Softmax ------------------------------------------------------------------------------


def _scores(
    *shape: int,
    temperature: float,
    shift: float = 0,
    apart: float = 0,
    above: float = 0,
    dtype: Any = torch.float32,
) -> Draw:
    """Draws scores.

    ``shift`` moves all of them up, ``apart`` every second row down, ``above`` the second score of
    each row up.
    """

    def draw(generator: torch.Generator) -> dict[str, Any]:
        scores = torch.randn(shape, generator=generator, dtype=dtype) + shift
        scores[1::2] -= apart
        scores[..., 1] += above
        return {"scores": scores, "temperature": temperature}

    return draw


def _by_hand(scores: Tensor, temperature: float) -> Tensor:
    scores = scores / temperature
    powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


def _overflowing(scores: Tensor, temperature: float) -> Tensor:
    powers = (scores / temperature).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


def _maximum_of_undivided(scores: Tensor, temperature: float) -> Tensor:
    powers = (scores / temperature - scores.amax(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


def _mean_of_row(scores: Tensor, temperature: float) -> Tensor:
    scores = scores / temperature
    powers = (scores - scores.mean(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


def _largest_of_all(scores: Tensor, temperature: float) -> Tensor:
    powers = ((scores - scores.max()) / temperature).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


SOFTMAX = FunctionExercise(
    chapter=CHAPTER,
    name="softmax",
    title="Write a softmax that survives large scores",
    level=1,
    task="Write `softmax(scores, temperature)`: weights over the last axis of `scores`, which "
    "may have any number of axes. Use neither `torch.softmax` nor a relative of it.",
    hints=(
        "Equation (5), one row at a time: divide by the temperature, exponentiate, divide by the "
        "sum. Which axis is summed, and how do you keep it for the division?",
        "`exp` of 200 is infinite in float32. By equation (6) you may add any number to all scores "
        "of a row. Which number makes the largest exponent 0?",
        "`s = scores / temperature`, then `e = (s - s.amax(dim=-1, keepdim=True)).exp()`, then "
        "`e / e.sum(dim=-1, keepdim=True)`.",
    ),
    explanation="The largest exponent is 0 and the sum at least 1: nothing can overflow, and "
    "nothing is divided by zero.",
    reference=_by_hand,
    alternatives=(
        lambda scores, temperature: (
            scores / temperature - (scores / temperature).logsumexp(dim=-1, keepdim=True)
        ).exp(),
    ),
    ready_made=("softmax", "scaled_dot_product"),
    cases=(
        Case("plain", _scores(4, 6, temperature=0.5)),
        Case("as many rows as columns", _scores(5, 5, temperature=2.0)),
        Case("three axes", _scores(2, 3, 4, temperature=0.7)),
        Case("large scores", _scores(3, 7, temperature=0.5, shift=200.0)),
        Case(
            "rows far apart, one score of each far above the rest",
            _scores(4, 5, temperature=1.0, apart=500.0, above=300.0),
        ),
        Case("double precision", _scores(3, 8, temperature=0.1, dtype=torch.float64)),
    ),
    properties=(adds_up("the weights of a row add up to 1"),),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "an overflow",
            "The exponential of a large score is infinite, and infinity over infinity is NaN. "
            "Subtract the largest score of each row first: the weights do not change.",
            _overflowing,
        ),
        Misconception(
            "the mean in place of the maximum",
            "A score may lie far above the mean of its row: its exponential is infinite, and "
            "infinity over infinity is NaN. Only less the largest score is every exponent at "
            "most 0.",
            _mean_of_row,
        ),
        Misconception(
            "one maximum for all rows",
            "A row whose scores all lie far below that maximum becomes 0/0. Take the maximum of "
            "each row, with `dim=-1, keepdim=True`.",
            _largest_of_all,
        ),
        Misconception(
            "a maximum of other scores",
            "You divide by the temperature, and subtract the largest of the scores before that "
            "division. With a temperature below 1 large exponents are left. Divide first, then "
            "take the maximum of what you exponentiate.",
            _maximum_of_undivided,
        ),
        Misconception(
            "a softmax over the first axis",
            "Your columns add up to 1. Competition is wanted within a row: `dim=-1`.",
            lambda scores, temperature: (scores / temperature).softmax(dim=0),
        ),
        Misconception(
            "a softmax over the last axis but one",
            "Your columns add up to 1. Competition is wanted within a row: `dim=-1`.",
            lambda scores, temperature: (scores / temperature).softmax(dim=-2),
        ),
        Misconception(
            "an axis counted from the front",
            "`dim=1` is the last axis of a matrix, but not of a tensor with three axes. Count "
            "from the end: `dim=-1`.",
            lambda scores, temperature: (scores / temperature).softmax(dim=1),
        ),
        Misconception(
            "a softmax over all entries",
            "All entries together add up to 1. Name the axis to sum over: `dim=-1`.",
            lambda scores, temperature: (
                (scores / temperature).flatten().softmax(dim=0).view_as(scores)
            ),
        ),
        Misconception(
            "a temperature that multiplies",
            "The scores are divided by the temperature: a small one makes the weights sharp.",
            lambda scores, temperature: (scores * temperature).softmax(dim=-1),
        ),
        Misconception(
            "a forgotten temperature",
            "Divide the scores by it before anything else.",
            lambda scores, temperature: scores.softmax(dim=-1),
        ),
        Misconception(
            "a temperature that comes too late",
            "You divide the weights by it. Divide the scores, before the exponential.",
            lambda scores, temperature: scores.softmax(dim=-1) / temperature,
        ),
        Misconception(
            "exponentials without their sum",
            "They are positive, but they do not add up to 1 yet.",
            lambda scores, temperature: (
                (scores - scores.amax(dim=-1, keepdim=True)) / temperature
            ).exp(),
        ),
    ),
)

# 2. The way back -------------------------------------------------------------------------


def _weights_and_gradient(b: int, n: int, spread: float = 1) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        s, u = torch.randn(2, b, n, generator=generator, dtype=torch.float64)
        return {"p": (spread * s).softmax(dim=-1), "u": u}

    return draw


def _by_autograd(p: Tensor, u: Tensor) -> Tensor:
    """What autograd finds; the logarithm of ``p`` is one vector of scores that gives ``p``."""
    scores = p.log().requires_grad_()
    return torch.autograd.grad(scores.softmax(dim=-1), scores, u)[0]


def _mean(p: Tensor, u: Tensor) -> Tensor:
    return (p * u).sum(dim=-1, keepdim=True)


BACKWARD = FunctionExercise(
    chapter=CHAPTER,
    name="softmax_backward",
    title="Derive the way back through a softmax",
    level=2,
    task="Write `softmax_backward(p, u)`: from the weights p and u = ∂L/∂p, both (b, n), to "
    "∂L/∂s, (b, n), where p = softmax(s) in each row. No n x n matrix is needed.",
    hints=(
        "The chain rule sums over all weights: ∂L/∂s_j = Σ_i u_i ∂p_i/∂s_j. Put equation (7) in.",
        "Σ_i u_i p_i (δ_ij - p_j) has two parts. The first is p_j u_j. What is the second?",
        "The second part is p_j times the weighted mean ū = Σ_i p_i u_i of the row: "
        "`(p * u).sum(dim=-1, keepdim=True)`. Both together are p_j (u_j - ū).",
    ),
    explanation="∂L/∂s is large where u is far from its mean and the weight is not small. The "
    "entries of a row add up to zero: a softmax only moves weight around.",
    reference=_by_autograd,
    alternatives=(
        lambda p, u: p * (u - _mean(p, u)),
        lambda p, u: p * u - torch.einsum("bi,bj,bj->bi", p, p, u),
    ),
    cases=(
        Case("plain", _weights_and_gradient(4, 6)),
        Case("as many rows as columns", _weights_and_gradient(5, 5)),
        Case("one row", _weights_and_gradient(1, 7)),
        Case("nearly hard weights", _weights_and_gradient(3, 8, spread=6.0)),
    ),
    properties=(
        Property(
            "the gradient of a row adds up to 0",
            lambda _, ds: bool((ds.sum(dim=-1).abs() < 1e-8).all()),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        *softmax_backward(lambda rule: lambda p, u: rule(p, u, -1))[1:],
        Misconception(
            "a mean over the wrong axis",
            "You sum p u over the batch. The sum runs over the weights of one row: `dim=-1`.",
            lambda p, u: p * (u - (p * u).sum(dim=0)),
        ),
        Misconception(
            "one mean for the whole batch",
            "Every row has its own weighted mean: sum with `dim=-1, keepdim=True`.",
            lambda p, u: p * (u - (p * u).sum()),
        ),
        Misconception(
            "the way back through a log-softmax",
            "u - p Σ u belongs to log p. For p itself the chain rule has one more factor.",
            lambda p, u: u - p * u.sum(dim=-1, keepdim=True),
        ),
        Misconception(
            "the opposite sign",
            "You subtract each entry from the mean. ∂L/∂s is positive where u is above the mean.",
            lambda p, u: p * (_mean(p, u) - u),
        ),
    ),
)
