"""Mistakes and promises that many chapters share, ready made.

Each function takes what builds an answer from the step in question, and gives misconceptions with
their names and sentences.  A chapter writes down only what is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Property

Function = Callable[..., Any]
#: scores -> weights.
Weigh = Callable[[Tensor], Tensor]
#: (weights, gradient of the weights, axis) -> gradient of the scores.
Rule = Callable[[Tensor, Tensor, int], Tensor]
Known = tuple[Misconception[Function], ...]


def adds_up(name: str, axis: int = -1, absolute: float = 1e-8) -> Property:
    """The promise that weights add up to 1.

    Args:
        name: what is promised: ``"the weights of an image add up to 1"``.
        axis: of what competes.
        absolute: how far a sum may be from 1, beside a relative 1e-5.
    """

    def holds(_: object, weights: Tensor) -> bool:
        total = weights.sum(dim=axis)
        return torch.allclose(total, torch.ones_like(total), atol=absolute)

    return Property(name, holds)


def wrong_axes(
    build: Callable[[int], Function],
    right: int,
    compete: str,
    others: Mapping[int, str],
    why: Mapping[int, str] | None = None,
) -> Known:
    """A softmax along another axis than the right one.

    Args:
        build: axis -> the answer whose softmax runs along it.
        right: the right axis.
        compete: what competes along it, in the plural: ``"the keys of a query"``.
        others: wrong axis -> what lies along it: ``{0: "the batch", 1: "the queries"}``.
        why: wrong axis -> a sentence of the chapter's own on what follows from it.
    """
    return tuple(
        Misconception(
            f"a softmax over {what}",
            f"Your weights add up to 1 along axis {axis}, over {what}. "
            f"{(why or {}).get(axis, '')} {_batch_mates(what)}It is {compete} that compete: "
            f"normalise along axis {right}.".replace("  ", " "),
            build(axis),
        )
        for axis, what in others.items()
    )


def _batch_mates(what: str) -> str:
    return "No item may depend on its batch mates. " if "batch" in what else ""


def no_softmax(build: Callable[[Weigh], Function], axis: int) -> Known:
    """Scores that are not made into weights, or not safely.

    Args:
        build: the step from scores to weights -> the answer that takes it.
        axis: along which the softmax belongs.
    """
    return (
        overflow(build, axis),
        Misconception(
            "scores in place of weights",
            "These are the bare scores: they may be negative and add up to anything. A softmax "
            f"along axis {axis} makes shares of them.",
            build(lambda s: s),
        ),
        Misconception(
            "a sigmoid in place of the softmax",
            "Every one of your weights is found by itself, and they do not add up to 1. A softmax "
            f"along axis {axis} lets one gain what the others lose.",
            build(torch.sigmoid),
        ),
    )


def overflow(build: Callable[[Weigh], Function], axis: int) -> Misconception[Function]:
    """Exponentials of scores from which nothing was subtracted; the inputs must be large."""

    def weigh(s: Tensor) -> Tensor:
        powers = s.exp()
        return powers / powers.sum(dim=axis, keepdim=True)

    return Misconception(
        "an overflow",
        "The exponential of a large score is infinite, and infinity over infinity is NaN. "
        "Subtract the largest score of each row first, or call `softmax`: the weights do not "
        "change.",
        build(weigh),
    )


def scaled_anyway(
    build: Callable[[Callable[[int], float]], Function], remark: str
) -> Misconception[Function]:
    """Scores divided by the root of the width, where the equation divides by nothing.

    Args:
        build: (width -> factor of the scores) -> the answer.
        remark: what the source does.
    """
    return Misconception(
        "scaled scores",
        f"You divide by the square root of the width. {remark}",
        build(lambda width: width**-0.5),
    )


def lost_scale(build: Callable[[Callable[[int], float]], Function]) -> Known:
    """A factor of 1/√d that is missing, or another one in its place.

    Args:
        build: (width -> factor of the scores) -> the answer.
    """
    return (
        Misconception(
            "scores that are not scaled",
            "The spread of q·k grows like √d. Divide the scores by it.",
            build(lambda width: 1.0),
        ),
        Misconception(
            "a missing square root",
            "The variance of q·k is d, so its spread is √d. Divided by d the scores nearly vanish.",
            build(lambda width: 1 / width),
        ),
        Misconception(
            "a scale that multiplies",
            "Divide by √d; multiplying spreads the scores even more.",
            build(lambda width: width**0.5),
        ),
    )


def _mean(p: Tensor, g: Tensor, axis: int) -> Tensor:
    return (p * g).sum(dim=axis, keepdim=True)


def all_digits(derived: Function) -> Property:
    """What tells a derived gradient from a difference of two values, which is right roughly."""
    return Property(
        "a derived gradient is right in all its digits, and yours in the first few, as a "
        "difference of two values is",
        lambda inputs, got: not Tolerance(1e-3, 1e-5).same(got, derived(*inputs.values())),
    )


def softmax_backward(build: Callable[[Rule], Function], weight: str = "p") -> Known:
    """Slips on the way back through a softmax, ∂L/∂s = p (g - Σ p g).

    Args:
        build: the rule of the way back -> the answer that follows it.
        weight: the letter of the weights.
    """
    return (
        Misconception(
            "the gradient of the weights",
            f"This is ∂L/∂{weight}. The softmax is still to come.",
            build(lambda p, g, axis: g),
        ),
        Misconception(
            "a missing mean term",
            f"You multiply by {weight} alone, as if the weights were free of each other. Raising "
            f"one lowers all others: subtract the mean of the gradient under {weight}.",
            build(lambda p, g, axis: p * g),
        ),
        Misconception(
            "the slope of a sigmoid",
            f"{weight}(1 - {weight}) is the diagonal of the softmax's Jacobian. Every score moves "
            f"every weight: the entries beside the diagonal count too.",
            build(lambda p, g, axis: p * (1 - p) * g),
        ),
        Misconception(
            "a plain mean",
            f"What is subtracted is the mean of the gradient under the weights {weight}, and not "
            f"the plain mean.",
            build(lambda p, g, axis: p * (g - g.mean(dim=axis, keepdim=True))),
        ),
        Misconception(
            f"a lost factor {weight}",
            f"The difference to the mean is right. Multiply it by {weight}: what has no weight "
            f"gets no gradient.",
            build(lambda p, g, axis: g - _mean(p, g, axis)),
        ),
    )
