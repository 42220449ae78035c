"""Exercises on RSTAN that ask for what was derived: when two softmaxes are one, and who gains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, adds_up
from attncourse.exercises.spatial_temporal.rstan.code import (
    CHAPTER,
    Draw,
    Function,
    normal,
    read_inputs,
)

# 3. Two softmaxes that are one -----------------------------------------------------------


def _scores(b: int, t: int, n: int, loud: float = 1.5) -> Draw:
    return lambda generator: {"e": loud * normal(generator, b, t, n)}


@recipe
def _frame_shares(
    *,
    total: Callable[[Tensor], Tensor] = lambda e: e.logsumexp(dim=2),
    weigh: Weigh = lambda s: s.softmax(dim=1),
) -> Function:
    """Equation (12) and its softmax, with one step changed by each argument."""
    return lambda e: weigh(total(e))


def _overflowing(e: Tensor) -> Tensor:
    powers = e.exp().sum(dim=2)
    return powers / powers.sum(dim=1, keepdim=True)


FRAME_SHARES = FunctionExercise(
    chapter=CHAPTER,
    name="frame_shares",
    title="Derive when two softmaxes are one",
    level=3,
    task="The places of each frame have the weights α = softmax(e) over the places of that frame, "
    "for scores e (b, t, n). Write `frame_shares(e)`: the frame weights γ, (b, t), for which γ "
    "times α is one single softmax of e over all places of all frames.",
    hints=(
        "On paper, write the single softmax down: exp(e) over the sum of exp(e) over all frames "
        "and places. Divide it by α, on paper only: in code α may be rounded to zero.",
        "What is left does not depend on the place: the sum of exp(e) over one frame, over the "
        "same sum for the whole clip.",
        "`e.flatten(1).softmax(dim=1).view_as(e).sum(dim=2)`, or the softmax over frames of "
        "`e.logsumexp(dim=2)`.",
    ),
    explanation="The weight of a frame is the total of its places. So a flat softmax is RSTAN "
    "with the frame score ln Σ exp(e), and it needs no second scorer.",
    reference=_frame_shares(),
    alternatives=(lambda e: e.flatten(1).softmax(dim=1).view_as(e).sum(dim=2),),
    cases=(
        Case("plain", _scores(3, 4, 5)),
        Case("one clip", _scores(1, 3, 6)),
        Case("as many frames as places", _scores(2, 3, 3)),
        Case("loud scores", _scores(2, 4, 3, loud=3000.0)),
    ),
    properties=(adds_up("the weights of a clip's frames add up to 1"),),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "the largest score of a frame",
            "You compare the frames by their largest scores. A frame with two good places then "
            "counts no more than one with a single good place.",
            _frame_shares(total=lambda e: e.amax(dim=2)),
        ),
        Misconception(
            "the mean score of a frame",
            "You compare the frames by their mean scores. It is their sums of exp(e) that count.",
            _frame_shares(total=lambda e: e.mean(dim=2)),
        ),
        Misconception(
            "the sum of the scores",
            "You compare the frames by the sums of their scores. It is the sums of exp(e) that "
            "count.",
            _frame_shares(total=lambda e: e.sum(dim=2)),
        ),
        Misconception(
            "frame scores in place of shares",
            "These are frame scores. A softmax over the frames makes shares of them.",
            _frame_shares(weigh=lambda s: s),
        ),
        Misconception(
            "a softmax over the batch",
            "Your weights add up to 1 over the batch. The frames of one clip compete.",
            _frame_shares(weigh=lambda s: s.softmax(dim=0)),
        ),
        Misconception(
            "an overflow",
            "The exponential of a large score is infinite, and infinity over infinity is NaN. "
            "Subtract the largest score of the clip first, or use `logsumexp`.",
            _overflowing,
        ),
        Misconception(
            "even frames",
            "Each frame's α adds up to 1, so that its sum says nothing of the frame.",
            lambda e: e.softmax(dim=2).sum(dim=2) / e.shape[1],
        ),
        Misconception(
            "shares of each place",
            "That is the single softmax itself, (b, t, n). Its sum over the places of a frame is "
            "what γ must be.",
            lambda e: e.flatten(1).softmax(dim=1).view_as(e),
        ),
    ),
)

# 4. The pull on a place ------------------------------------------------------------------


def _pulls(b: int, t: int, n: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            **read_inputs(b, t, n, c)(generator),
            "d": normal(generator, b, c),
        }

    return draw


@recipe
def _pull(
    *,
    centre: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda x, alpha, gamma: (
        alpha[..., None] * x
    ).sum(dim=2, keepdim=True),
    factor: Callable[[Tensor, Tensor], Tensor] = lambda alpha, gamma: gamma[..., None] * alpha,
) -> Function:
    """Equation (14), with one step changed by each argument."""

    def pull(x: Tensor, alpha: Tensor, gamma: Tensor, d: Tensor) -> Tensor:
        seen = x - centre(x, alpha, gamma)
        return factor(alpha, gamma) * (seen * d[:, None, None]).sum(dim=3)

    return pull


PULL = FunctionExercise(
    chapter=CHAPTER,
    name="pull",
    title="Derive who gains in a frame that is not looked at",
    level=3,
    task="Write `pull(x, alpha, gamma, d)`: for z = Σₜ γₜ Σᵢ αₜᵢ xₜᵢ with αₜ = softmax(eₜ) over "
    "the places of frame t, from x (b, t, n, C), alpha (b, t, n), gamma (b, t) and d = ∂L/∂z "
    "(b, C) to ∂L/∂e, (b, t, n). Take the frame weights γ as given: nothing flows through them.",
    hints=(
        "First the frames: ∂L/∂uₜ = γₜ d. Then one softmax for each frame.",
        "∂L/∂αₜᵢ = γₜ xₜᵢ·d. The way back through a softmax subtracts the mean under α.",
        "The mean of xₜᵢ·d under αₜ is uₜ·d, so the answer is γₜ αₜᵢ (xₜᵢ - uₜ)·d.",
    ),
    explanation="A place is compared with what its own frame gives, and the result is multiplied "
    "by the frame's weight: in a frame that is not read, nothing is learned of its places.",
    reference=_pull(),
    alternatives=(
        lambda x, alpha, gamma, d: (
            torch.einsum("bt,btn,btnc,bc->btn", gamma, alpha, x, d)
            - alpha * torch.einsum("bt,btm,btmc,bc->bt", gamma, alpha, x, d)[..., None]
        ),
    ),
    cases=(
        Case("plain", _pulls(3, 4, 5, 2)),
        Case("one clip", _pulls(1, 3, 2, 4)),
        Case("as many frames as places", _pulls(2, 3, 3, 3)),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "no competition",
            "You follow the weights as if they were free. What one place gains the other places of "
            "its frame lose: subtract what the frame gives, uₜ.",
            _pull(centre=lambda x, alpha, gamma: 0 * x[:, :, :1]),
        ),
        Misconception(
            "the clip in place of the frame",
            "You subtract z, what the whole clip gives. That is the gradient of one flat softmax. "
            "Here a place competes within its frame: subtract uₜ.",
            _pull(
                centre=lambda x, alpha, gamma: torch.einsum("bt,btn,btnc->bc", gamma, alpha, x)[
                    :, None, None
                ]
            ),
        ),
        Misconception(
            "the plain mean of a frame",
            "You subtract the plain mean of the frame. The centre is uₜ, the mean under alpha.",
            _pull(centre=lambda x, alpha, gamma: x.mean(dim=2, keepdim=True)),
        ),
        Misconception(
            "a lost frame weight",
            "What a frame gives counts in z by its weight: multiply by gamma.",
            _pull(factor=lambda alpha, gamma: alpha),
        ),
        Misconception(
            "a frame weight counted twice",
            "You multiply by gamma twice. It stands once in z, and so once in the gradient.",
            _pull(factor=lambda alpha, gamma: gamma[..., None] ** 2 * alpha),
        ),
        Misconception(
            "a lost factor of alpha",
            "The softmax multiplies by its own weight on the way back: multiply by alpha.",
            _pull(factor=lambda alpha, gamma: gamma[..., None] * torch.ones_like(alpha)),
        ),
        Misconception(
            "the diagonal alone",
            "α(1 - α) is the slope of one weight with respect to its own score. All weights of the "
            "frame move.",
            _pull(
                centre=lambda x, alpha, gamma: 0 * x[:, :, :1],
                factor=lambda alpha, gamma: gamma[..., None] * alpha * (1 - alpha),
            ),
        ),
    ),
)
