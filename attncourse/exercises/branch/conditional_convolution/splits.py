"""The exercise on ResNeSt's split attention: a softmax over the splits, group by group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.branch.conditional_convolution.code import CHAPTER, Draw, Function
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property


def _logits(b: int, radix: int, groups: int, width: int, scale: float = 1) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        count = radix * groups * width
        logits = scale * torch.randn(b, count, generator=generator, dtype=torch.float64)
        return {"logits": logits, "radix": radix, "groups": groups}

    return draw


def _r_softmax(
    weigh: Callable[[Tensor], Tensor] = lambda t: t.softmax(dim=2),
    alone: Callable[[Tensor], Tensor] = torch.sigmoid,
    settle: Callable[[Tensor], Tensor] = lambda t: t.transpose(1, 2),
) -> Function:
    def r_softmax(logits: Tensor, radix: int, groups: int) -> Tensor:
        t = logits.view(len(logits), groups, radix, -1)
        return settle(alone(t) if radix == 1 else weigh(t)).reshape(len(logits), radix, -1)

    return r_softmax


def _by_group(logits: Tensor, radix: int, groups: int) -> Tensor:
    parts = [part.unflatten(1, (radix, -1)) for part in logits.chunk(groups, dim=1)]
    return torch.cat([p.sigmoid() if radix == 1 else p.softmax(dim=1) for p in parts], dim=2)


def _overflowing(t: Tensor) -> Tensor:
    return t.exp() / t.exp().sum(dim=2, keepdim=True)


R_SOFTMAX = FunctionExercise(
    chapter=CHAPTER,
    name="r_softmax",
    title="Extend: split attention in groups",
    level=3,
    task="Write `r_softmax(logits, radix, groups)`: from the logits, (b, radix * C), to the "
    "weights of the splits, (b, radix, C). The logits come group by group; within a group come "
    "the C / groups channels of the first split, then those of the second, and so on. With a "
    "radix of 1 the weights are sigmoids.",
    hints=(
        "Give the logits four axes first: `logits.view(b, groups, radix, -1)`. Which of them "
        "compete?",
        "The radix splits of one channel compete, axis 2. A softmax over one split would be 1 "
        "for everything, so a radix of 1 takes the sigmoid.",
        "The result has the splits first: transpose axes 1 and 2 before you flatten the channels.",
    ),
    explanation="With a radix of 1 this is SE's gate; with a radix of 2 a selective kernel's "
    "choice between two splits, one group at a time.",
    reference=_by_group,
    alternatives=(
        _r_softmax(),
        lambda logits, radix, groups: (
            torch.sigmoid(logits)[:, None] if radix == 1 else
            torch.einsum("bgrc->brgc", logits.unflatten(1, (groups, radix, -1)).softmax(2))
            .flatten(2)
        ),
    ),
    cases=(
        Case("two splits, two groups", _logits(3, 2, 2, 3)),
        Case("three splits, two groups", _logits(2, 3, 2, 4)),
        Case("one group", _logits(2, 2, 1, 5)),
        Case("one split", _logits(2, 1, 2, 3)),
        Case("large logits", _logits(2, 2, 3, 2, scale=900.0)),
    ),
    properties=(
        Property(
            "with two splits or more the weights of a channel add up to 1 over the splits",
            lambda given, a: given["radix"] == 1
            or (a.ndim == 3 and bool((a.sum(dim=1) - 1).abs().max() < 1e-6)),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "splits read before groups",
            "You read the logits as (radix, groups, channels). They come group by group, so with "
            "more than one group the wrong numbers compete.",
            lambda logits, radix, groups: (
                logits.view(len(logits), radix, -1).sigmoid() if radix == 1
                else logits.view(len(logits), radix, -1).softmax(dim=1)
            ),
        ),
        Misconception(
            "a transposition that is missing",
            "The softmax is right. Its result still has the groups first; the splits must come "
            "first before the channels are flattened.",
            _r_softmax(settle=lambda t: t),
        ),
        Misconception(
            "a softmax over one split",
            "A softmax over a single entry is 1, whatever its logit: with a radix of 1 nothing "
            "would be decided. Take the sigmoid there.",
            _r_softmax(alone=torch.ones_like),
        ),
        Misconception(
            "sigmoids for all",
            "With two splits or more they compete: a softmax over the splits.",
            _r_softmax(torch.sigmoid),
        ),
        Misconception(
            "channels that compete",
            "You take the softmax over the channels of a split. It is the splits of a channel that "
            "compete.",
            _r_softmax(lambda t: t.softmax(dim=3)),
        ),
        Misconception(
            "groups that compete",
            "You take the softmax over the groups. Groups decide apart from each other.",
            _r_softmax(lambda t: t.softmax(dim=1)),
        ),
        Misconception(
            "an overflow",
            "The exponential of a large logit is infinite, and infinity over infinity is NaN. Call "
            "`softmax`, or subtract the largest logit first.",
            _r_softmax(_overflowing),
        ),
    ),
)  # fmt: skip
