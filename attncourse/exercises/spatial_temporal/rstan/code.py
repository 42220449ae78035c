"""Exercises on RSTAN that ask for a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, adds_up, no_softmax, wrong_axes

CHAPTER = "spatial_temporal/rstan"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# 1. Where to look in each frame ----------------------------------------------------------


def _clips(b: int, t: int, n: int, c: int, d: int, a: int, loud: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            "x": _normal(generator, b, t, n, c), "h": _normal(generator, b, d),
            "W_x": _normal(generator, a, c), "W_h": _normal(generator, a, d),
            "v": loud * _normal(generator, a),
        }  # fmt: skip

    return draw


@recipe
def _places(
    *,
    weigh: Weigh = lambda e: e.softmax(dim=2),
    bend: Callable[[Tensor], Tensor] = torch.tanh,
    ask: Callable[[Tensor], Tensor] = lambda q: q,
    last: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> Function:
    """Equations (1) and (2), with one step changed by each argument."""

    def places(x: Tensor, h: Tensor, W_x: Tensor, W_h: Tensor, v: Tensor) -> Tensor:
        return weigh(last(bend(x @ W_x.T + ask(h @ W_h.T)[:, None, None]), v))

    return places


def _weighed(weigh: Weigh) -> Function:
    return _places(weigh=weigh)


def _frame_by_frame(x: Tensor, h: Tensor, W_x: Tensor, W_h: Tensor, v: Tensor) -> Tensor:
    asked = (h @ W_h.T)[:, None]
    frames = [(torch.tanh(x[:, t] @ W_x.T + asked) @ v).softmax(1) for t in range(x.shape[1])]
    return torch.stack(frames, dim=1)


PLACES = FunctionExercise(
    chapter=CHAPTER,
    name="places",
    title="Write where a step looks in each frame",
    level=1,
    task="Write `places(x, h, W_x, W_h, v)`: from a clip x (b, t, n, c) and a state h (b, d), with "
    "W_x (A, c), W_h (A, d) and v (A,), to the place weights α of equation (2), (b, t, n). Leave "
    "the bias b out.",
    hints=(
        "Every place of every frame gets a vector of A numbers, and so does the state. The "
        "state's vector is the same for all places of all frames of its clip.",
        "`x @ W_x.T` is (b, t, n, A) and `h @ W_h.T` is (b, A): give the second one an axis for "
        "frames and one for places before you add.",
        "`(torch.tanh(x @ W_x.T + (h @ W_h.T)[:, None, None]) @ v).softmax(dim=2)`.",
    ),
    explanation="The places of one frame compete with each other alone. How the frames compare is "
    "decided later, by (4) and (5).",
    reference=_places(),
    alternatives=(_frame_by_frame,),
    cases=(
        Case("plain", _clips(3, 4, 6, 5, 7, 2)),
        Case("one clip", _clips(1, 3, 4, 2, 5, 6)),
        Case("as many frames as places", _clips(2, 4, 4, 3, 3, 5)),
        Case("loud scores", _clips(2, 3, 5, 4, 6, 2, loud=900.0)),
    ),
    properties=(adds_up("the weights of a frame add up to 1"),),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        *wrong_axes(
            lambda axis: _weighed(lambda e: e.softmax(axis)),
            2,
            "the places of a frame",
            {0: "the batch", 1: "the frames"},
        ),
        Misconception(
            "one softmax over the whole clip",
            "Your weights add up to 1 over all places of all frames. That is the flat form, "
            "equation (12). In (2) each frame has a softmax of its own.",
            _weighed(lambda e: e.flatten(1).softmax(1).view_as(e)),
        ),
        *no_softmax(_weighed, 2),
        Misconception(
            "a ReLU in the scorer",
            "Equation (1) has a tanh around the sum, and you have a ReLU there.",
            _places(bend=torch.relu),
        ),
        Misconception(
            "no bend in the scorer",
            "Without the tanh the state adds the same number to every score, the softmax takes it "
            "away, and every step looks at the same places.",
            _places(bend=lambda t: t),
        ),
        Misconception(
            "a state that is not asked",
            "Your weights do not depend on the state, so that every step looks alike. Add the "
            "state inside the bend: one tanh around the sum, not two.",
            _places(ask=torch.zeros_like),
        ),
        Misconception(
            "a tanh around the score",
            "The tanh stands inside, before v. Outside it would hold every score between -1 and 1.",
            _places(bend=lambda t: t, last=lambda t, v: torch.tanh(t @ v)),
        ),
    ),
)

# 2. Read the clip ------------------------------------------------------------------------


def _read_inputs(b: int, t: int, n: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            "x": _normal(generator, b, t, n, c),
            "alpha": (2 * _normal(generator, b, t, n)).softmax(dim=2),
            "gamma": (2 * _normal(generator, b, t)).softmax(dim=1),
        }

    return draw


@recipe
def _read(
    *,
    places: Callable[[Tensor], Tensor] = lambda alpha: alpha,
    frames: Callable[[Tensor], Tensor] = lambda gamma: gamma,
    last: Callable[[Tensor], Tensor] = lambda z: z,
) -> Function:
    """Equations (3) and (6), with one step changed by each argument."""

    def read(x: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
        u = (places(alpha)[..., None] * x).sum(dim=2)
        return last((frames(gamma)[..., None] * u).sum(dim=1))

    return read


READ = FunctionExercise(
    chapter=CHAPTER,
    name="read",
    title="Write what a step reads",
    level=1,
    task="Write `read(x, alpha, gamma)`: from a clip x (b, t, n, c), place weights alpha (b, t, n) "
    "and frame weights gamma (b, t) to what one step reads, z (b, c).",
    hints=(
        "First one vector for each frame, by (3); then one for the clip, by (6).",
        "Or weigh each place by the product of both weights, by (10), and add up once.",
        '`torch.einsum("bt,btn,btnc->bc", gamma, alpha, x)`.',
    ),
    explanation="A mean of means. The weight of one place is the weight of its frame times its "
    "weight within the frame.",
    reference=_read(),
    alternatives=(lambda x, alpha, gamma: torch.einsum("bt,btn,btnc->bc", gamma, alpha, x),),
    cases=(
        Case("plain", _read_inputs(3, 4, 5, 2)),
        Case("one clip", _read_inputs(1, 3, 2, 4)),
        Case("as many frames as places", _read_inputs(2, 3, 3, 3)),
        Case("one frame", _read_inputs(2, 1, 4, 3)),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "even frames",
            "You weigh places, and take the plain mean of the frames. Each frame has the weight "
            "gamma.",
            _read(frames=lambda gamma: torch.full_like(gamma, 1 / gamma.shape[1])),
        ),
        Misconception(
            "frames added up",
            "You weigh places, and add the frames up as they are. Each frame has the weight gamma.",
            _read(frames=torch.ones_like),
        ),
        Misconception(
            "even places",
            "You weigh frames, and take the plain mean of their places. Each place has the weight "
            "alpha.",
            _read(places=lambda alpha: torch.full_like(alpha, 1 / alpha.shape[2])),
        ),
        Misconception(
            "places added up",
            "You weigh frames, and add their places up as they are. Each place has the weight "
            "alpha.",
            _read(places=torch.ones_like),
        ),
        Misconception(
            "the likeliest frame alone",
            "You read the one frame with the largest weight. (6) is a mean of all frames.",
            _read(frames=lambda g: torch.zeros_like(g).scatter(1, g.argmax(1, True), 1.0)),
        ),
        Misconception(
            "a second softmax",
            "The weights that you are given are shares already. You put a softmax on top of them.",
            _read(frames=lambda gamma: gamma.softmax(dim=1)),
        ),
        Misconception(
            "a mean in place of the sum",
            "The weights add up to 1, so that the sum over frames is a mean already. You divide it "
            "by the number of frames once more.",
            lambda x, alpha, gamma: _read()(x, alpha, gamma) / x.shape[1],
        ),
    ),
)

# 3. Two softmaxes that are one -----------------------------------------------------------


def _scores(b: int, t: int, n: int, loud: float = 1.5) -> Draw:
    return lambda generator: {"e": loud * _normal(generator, b, t, n)}


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
        "Write the single softmax down: exp(e) over the sum of exp(e) over all frames and places. "
        "Divide it by α.",
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
            **_read_inputs(b, t, n, c)(generator),
            "d": _normal(generator, b, c),
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
    "the places of frame t, from x (b, t, n, c), alpha (b, t, n), gamma (b, t) and d = ∂L/∂z "
    "(b, c) to ∂L/∂e, (b, t, n). Take the frame weights γ as given: nothing flows through them.",
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
