"""Exercises on hard and soft attention that ask for a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, adds_up, no_softmax, wrong_axes
from attncourse.spatial.show_attend_tell import reward_to_go

CHAPTER = "spatial/show_attend_tell"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The map ------------------------------------------------------------------------------


def _annotations(b: int, n: int, c: int, d: int, width: int, loud: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {
            "a": randn(b, n, c), "h": randn(b, d), "W_a": randn(width, c),
            "W_h": randn(width, d), "v": loud * randn(width),
        }  # fmt: skip

    return draw


@recipe
def _map(
    *,
    weigh: Weigh = lambda e: e.softmax(dim=1),
    bend: Callable[[Tensor], Tensor] = torch.tanh,
    ask: Callable[[Tensor], Tensor] = lambda q: q,
    last: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> Function:
    """Equations (1) and (2), with one step changed by each argument."""

    def attend(a: Tensor, h: Tensor, W_a: Tensor, W_h: Tensor, v: Tensor) -> Tensor:
        return weigh(last(bend(a @ W_a.T + ask(h @ W_h.T)[:, None]), v))

    return attend


def _weighed(weigh: Weigh) -> Function:
    return _map(weigh=weigh)


def _one_by_one(a: Tensor, h: Tensor, W_a: Tensor, W_h: Tensor, v: Tensor) -> Tensor:
    scores = [torch.tanh(a[:, i] @ W_a.T + h @ W_h.T) @ v for i in range(a.shape[1])]
    return torch.stack(scores, dim=1).softmax(dim=1)


ATTEND = FunctionExercise(
    chapter=CHAPTER,
    name="attend",
    title="Write the map of one word",
    level=1,
    task="Write `attend(a, h, W_a, W_h, v)`: from annotations a (b, n, c) and a state h (b, d), "
    "with W_a (A, c), W_h (A, d) and v (A,), to the weights of equation (2), (b, n). Leave the "
    "bias b_e out.",
    hints=(
        "Every annotation gets a vector of A numbers, and so does the state. The state's vector is "
        "the same for all annotations of its image.",
        "`a @ W_a.T` is (b, n, A) and `h @ W_h.T` is (b, A): give the second one an axis for the "
        "positions before you add.",
        "`(torch.tanh(a @ W_a.T + (h @ W_h.T)[:, None]) @ v).softmax(dim=1)`.",
    ),
    explanation="A small network with one hidden layer, asked once for every position, and then "
    "one softmax over all of them.",
    reference=_map(),
    alternatives=(_one_by_one,),
    cases=(
        Case("plain", _annotations(3, 6, 4, 5, 7)),
        Case("one image", _annotations(1, 4, 3, 2, 5)),
        Case("as many images as positions", _annotations(4, 4, 3, 3, 2)),
        Case("loud scores", _annotations(2, 5, 3, 4, 6, loud=4000.0)),
    ),
    properties=(adds_up("the weights of an image add up to 1"),),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        *wrong_axes(
            lambda axis: _weighed(lambda e: e.softmax(axis)),
            1,
            "the positions of an image",
            {0: "the batch"},
        ),
        *no_softmax(_weighed, 1),
        Misconception(
            "a ReLU in the scorer",
            "The best-known port has a ReLU here. Equation (1) has a tanh.",
            _map(bend=torch.relu),
        ),
        Misconception(
            "no bend in the scorer",
            "Without the tanh the state adds the same number to every score, the softmax takes it "
            "away, and all words look at the same place.",
            _map(bend=lambda t: t),
        ),
        Misconception(
            "a state that is not asked",
            "Your weights do not depend on the state, so that every word looks alike. Add the "
            "state inside the bend: one tanh around the sum, not two.",
            _map(ask=torch.zeros_like),
        ),
        Misconception(
            "a tanh around the score",
            "The tanh stands inside, before v. Outside it would hold every score between -1 and 1.",
            _map(bend=lambda t: t, last=lambda t, v: torch.tanh(t @ v)),
        ),
    ),
)

# 2. The pull on a score ------------------------------------------------------------------


def _pulls(b: int, n: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"a": randn(b, n, c), "alpha": randn(b, n).softmax(dim=1), "d": randn(b, c)}

    return draw


@recipe
def _pull(
    *,
    centre: Callable[[Tensor, Tensor], Tensor] = lambda a, w: w[:, None] @ a,
    factor: Callable[[Tensor], Tensor] = lambda w: w,
) -> Function:
    """Equation (8), with one step changed by each argument."""

    def pull(a: Tensor, alpha: Tensor, d: Tensor) -> Tensor:
        return factor(alpha) * ((a - centre(a, alpha)) @ d[:, :, None])[:, :, 0]

    return pull


PULL = FunctionExercise(
    chapter=CHAPTER,
    name="pull",
    title="Derive who gains from a gradient",
    level=3,
    task="Write `pull(a, alpha, d)`: from annotations a (b, n, c), soft weights alpha (b, n) and "
    "d = ∂L/∂ẑ (b, c) to ∂L/∂e, (b, n), for ẑ = Σ αᵢ aᵢ and α = softmax(e).",
    hints=(
        "First ∂L/∂α: the context is linear in the weights, so ∂L/∂αᵢ = aᵢ·d.",
        "The way back through a softmax is ∂L/∂eᵢ = αᵢ (∂L/∂αᵢ - Σⱼ αⱼ ∂L/∂αⱼ). What is the sum?",
        "The sum is ẑ·d, so the answer is αᵢ (aᵢ - ẑ)·d.",
    ),
    explanation="A score grows where its annotation, seen from the current context, points against "
    "the gradient. A position that is hardly looked at hardly hears: the factor is α.",
    reference=_pull(),
    alternatives=(
        lambda a, alpha, d: (
            torch.einsum("bn,bnc,bc->bn", alpha, a, d)
            - alpha * torch.einsum("bm,bmc,bc->b", alpha, a, d)[:, None]
        ),
    ),
    cases=(
        Case("plain", _pulls(3, 5, 4)),
        Case("one image", _pulls(1, 6, 2)),
        Case("as many channels as positions", _pulls(2, 4, 4)),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "no competition",
            "You follow the weights as if they were free. What one position gains the others lose: "
            "subtract the context from the annotation.",
            _pull(centre=lambda a, w: 0 * a[:, :1]),
        ),
        Misconception(
            "the plain mean in place of the context",
            "You subtract the mean annotation. The centre is the context, the mean under alpha.",
            _pull(centre=lambda a, w: a.mean(dim=1, keepdim=True)),
        ),
        Misconception(
            "a lost factor of alpha",
            "The softmax multiplies by its weight on the way back: a position with a weight near "
            "zero gets a gradient near zero.",
            _pull(factor=torch.ones_like),
        ),
        Misconception(
            "the diagonal alone",
            "α(1 - α) is the slope of one weight with respect to its own score. All weights move.",
            _pull(centre=lambda a, w: 0 * a[:, :1], factor=lambda w: w * (1 - w)),
        ),
        Misconception(
            "the weight squared",
            "One factor of alpha is enough: the annotation itself is not weighed again.",
            _pull(factor=lambda w: w * w),
        ),
    ),
)

# 3. REINFORCE for a draw of positions ----------------------------------------------------


def _episodes(t: int, n: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        e = torch.randn(t, n, generator=generator, dtype=torch.float64)
        drawn = torch.randint(n, (t,), generator=generator)
        rewards, guess = torch.randn(2, t, generator=generator, dtype=torch.float64)
        rewards = alternating(rewards.abs())
        return {"e": e, "drawn": drawn, "rewards": rewards, "guess": guess}

    return draw


@recipe
def _estimate(
    *,
    to_go: Callable[[Tensor], Tensor] = lambda r: reward_to_go(r[None])[0],
    base: Callable[[Tensor], Tensor] = lambda b: b,
    less: Callable[[Tensor], Tensor] = lambda e: e.softmax(dim=1),
) -> Function:
    """The estimate at the scores, with one step changed by each argument."""

    def estimate(e: Tensor, drawn: Tensor, rewards: Tensor, guess: Tensor) -> Tensor:
        one_hot = torch.zeros_like(e).scatter(1, drawn[:, None], 1.0)
        return (to_go(rewards) - base(guess))[:, None] * (one_hot - less(e))

    return estimate


def _of_densities(e: Tensor, drawn: Tensor, rewards: Tensor, guess: Tensor) -> Tensor:
    """What autograd finds for the sum of credited log-probabilities."""
    with torch.enable_grad():
        scores = e.detach().clone().requires_grad_()
        logs = scores.log_softmax(dim=1)
        credit = torch.stack([rewards[t:].sum() for t in range(len(rewards))]) - guess
        total = (credit * logs.gather(1, drawn[:, None])[:, 0]).sum()
        return torch.autograd.grad(total, scores)[0]


ESTIMATE = FunctionExercise(
    chapter=CHAPTER,
    name="estimate",
    title="Write REINFORCE for a draw of positions",
    level=2,
    task="Write `estimate(e, drawn, rewards, guess)` for one caption: e (t, n) are the scores of "
    "each word's map, drawn (t,) the positions that were drawn, rewards (t,) what each word "
    "earned, and guess (t,) the baseline. Give the one-sample estimate of the gradient of the "
    "expected total reward with respect to e, (t, n), with the reward to go.",
    hints=(
        "The gradient of ln softmax(e) at the drawn position is one-hot minus the weights.",
        "A draw at word t can change rewards from t on, and none before. `rewards.flip(0)"
        ".cumsum(0).flip(0)` adds up from the end.",
        "`credit[:, None] * (F.one_hot(drawn, n) - e.softmax(dim=1))`, where the credit is the "
        "reward to go minus the guess.",
    ),
    explanation="The drawn position gains what the others lose, in proportion to how much better "
    "than expected it went from here on.",
    reference=_of_densities,
    alternatives=(_estimate(),),
    cases=(
        Case("three words", _episodes(3, 5)),
        Case("one word", _episodes(1, 4)),
        Case("as many words as positions", _episodes(4, 4)),
        Case("many words", _episodes(7, 3)),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "the reward of the word alone",
            "A draw changes the state, and with it all later words. Credit it with the rewards "
            "from its word on.",
            _estimate(to_go=lambda r: r),
        ),
        Misconception(
            "the past rewarded",
            "You add up from the beginning. A draw cannot change what was earned before it: add up "
            "from its word to the end.",
            _estimate(to_go=lambda r: r.cumsum(dim=0)),
        ),
        Misconception(
            "the word's own reward left out",
            "A draw changes its own word first: the reward to go begins with that word's reward.",
            _estimate(to_go=lambda r: reward_to_go(r[None])[0] - r),
        ),
        Misconception(
            "the total for every draw",
            "That estimate has the same mean, but rewards from before the draw only add noise. "
            "Here the reward to go is asked for.",
            _estimate(to_go=lambda r: r.sum().expand_as(r)),
        ),
        Misconception(
            "a forgotten baseline",
            "Subtract the guess from the reward to go: the mean stays, the noise shrinks.",
            _estimate(base=torch.zeros_like),
        ),
        Misconception(
            "guesses added up",
            "You add up the guesses as well. A guess already is one of the reward to go: subtract "
            "it once, after the sum.",
            _estimate(base=lambda b: reward_to_go(b[None])[0]),
        ),
        Misconception(
            "nothing for the others",
            "What the drawn position gains the others lose: the gradient of ln softmax is one-hot "
            "minus the weights.",
            _estimate(less=torch.zeros_like),
        ),
        Misconception(
            "a softmax over the words",
            "Each word has a map of its own, whose weights add up to 1 over the positions.",
            _estimate(less=lambda e: e.softmax(dim=0)),
        ),
    ),
)
