"""Exercises on SCA-CNN that ask for a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, adds_up, all_digits, no_softmax, wrong_axes

CHAPTER = "channel_spatial/sca_cnn"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]


def _randn(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# 1. Channel weights ----------------------------------------------------------------------


def _maps(b: int, c: int, h: int, w: int, d: int, width: int, loud: bool = False) -> Draw:
    """Random inputs; ``loud`` ones have scores whose exponentials leave double precision.

    The first channel's score then lies far above the others.
    """

    def draw(generator: torch.Generator) -> dict[str, Any]:
        vector = _randn(generator, width)
        x = _randn(generator, b, c, h, w) + _randn(generator, b, c, 1, 1)
        asked, taps = _randn(generator, b, d), _randn(generator, width)
        if loud:
            x[:, :1] += 16
            x, taps = x - 8, 0.5 + taps.abs()
        return {
            "x": x,
            "h": asked,
            "w_c": taps,
            "b_c": _randn(generator, width),
            "W_hc": _randn(generator, width, d),
            "w": 300 * (0.5 + vector.abs()) if loud else vector,
        }

    return draw


@recipe
def _what(
    *,
    weigh: Weigh = lambda s: s.softmax(dim=1),
    pool: Callable[[Tensor], Tensor] = lambda x: x.mean(dim=(2, 3)),
    bend: Callable[[Tensor], Tensor] = torch.tanh,
    ask: Callable[[Tensor], Tensor] = lambda q: q,
    start: Callable[[Tensor], Tensor] = lambda b: b,
) -> Function:
    """Equations (4) and (5), with one step changed by each argument."""

    def what(x: Tensor, h: Tensor, w_c: Tensor, b_c: Tensor, W_hc: Tensor, w: Tensor) -> Tensor:
        units = pool(x)[:, :, None] * w_c + start(b_c) + ask(h @ W_hc.T)[:, None]
        return weigh(bend(units) @ w)

    return what


def _weighed_by(weigh: Weigh) -> Function:
    return _what(weigh=weigh)


def _one_by_one(x: Tensor, h: Tensor, w_c: Tensor, b_c: Tensor, W_hc: Tensor, w: Tensor) -> Tensor:
    scores = [
        torch.tanh(torch.outer(x[:, c].mean(dim=(1, 2)), w_c) + b_c + h @ W_hc.T) @ w
        for c in range(x.shape[1])
    ]
    return torch.stack(scores, dim=1).softmax(dim=1)


WHAT = FunctionExercise(
    chapter=CHAPTER,
    name="what",
    title="Write the weights of the channels",
    level=1,
    task="Write `what(x, h, w_c, b_c, W_hc, w)`: from maps x (b, c, rows, columns) and questions "
    "h (b, D), with w_c, b_c and w (A,) and W_hc (A, D), to the weights of equation (5), (b, c). "
    "Leave the factor C out.",
    hints=(
        "First one mean for each channel, (b, c). Then each mean becomes A units by w_c, b_c and "
        "the question.",
        "`v[:, :, None] * w_c` is (b, c, A); `h @ W_hc.T` is (b, A), and needs an axis for the "
        "channels.",
        "`(torch.tanh(v[:, :, None] * w_c + b_c + (h @ W_hc.T)[:, None]) @ w).softmax(dim=1)`.",
    ),
    explanation="One curve for all channels: its height at the channel's mean is the score. The "
    "question moves the curve.",
    reference=_what(),
    alternatives=(_one_by_one,),
    cases=(
        Case("plain", _maps(3, 5, 2, 4, 6, 7)),
        Case("one image", _maps(1, 4, 3, 3, 2, 5)),
        Case("as many images as channels", _maps(4, 4, 2, 3, 3, 2)),
        Case("loud scores", _maps(2, 5, 3, 2, 4, 6, loud=True)),
    ),
    properties=(adds_up("the weights of an image add up to 1"),),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        *wrong_axes(
            lambda axis: _weighed_by(lambda s: s.softmax(axis)),
            1,
            "the channels of an image",
            {0: "the batch"},
        ),
        *no_softmax(_weighed_by, 1),
        Misconception(
            "the factor C",
            "Your weights add up to C. The factor belongs to (6), and was to be left out.",
            _weighed_by(lambda s: s.shape[1] * s.softmax(dim=1)),
        ),
        Misconception(
            "sums in place of means",
            "You add up each map. Equation (4) has the mean, so that a larger image asks alike.",
            _what(pool=lambda x: x.sum(dim=(2, 3))),
        ),
        Misconception(
            "the largest value in place of the mean",
            "You take each map's largest value. Equation (4) has the mean; CBAM looks at both.",
            _what(pool=lambda x: x.amax(dim=(2, 3))),
        ),
        Misconception(
            "a channel scorer that is not asked",
            "Your weights do not depend on the question. Add it to the units, inside the tanh.",
            _what(ask=torch.zeros_like),
        ),
        Misconception(
            "no bend in the scorer",
            "Without the tanh the question adds one number to every score, and the softmax takes "
            "it away: all questions get the same weights.",
            _what(bend=lambda u: u),
        ),
        Misconception(
            "a ReLU in the scorer",
            "Your scorer bends by a ReLU. Equation (5) has a tanh.",
            _what(bend=torch.relu),
        ),
        Misconception(
            "a lost bias",
            "b_c has no effect: it is missing, or stands outside the tanh, where it adds one "
            "number to every score and the softmax takes it away. It belongs to the units, beside "
            "what the question adds.",
            _what(start=torch.zeros_like),
        ),
    ),
)

# 2. Both factors, and the mean -----------------------------------------------------------


def _given(b: int, c: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            "x": _randn(generator, b, c, h, w),
            "alpha": _randn(generator, b, h * w).softmax(dim=1),
            "beta": _randn(generator, b, c).softmax(dim=1),
        }

    return draw


@recipe
def _tell(
    *,
    positions: Callable[[int], float] = float,
    channels: Callable[[int], float] = float,
    where: Callable[[Tensor], Tensor] = lambda a: a,
    what: Callable[[Tensor], Tensor] = lambda b: b,
    pool: Callable[[Tensor], Tensor] = lambda y: y.mean(dim=2),
    flat: Callable[[Tensor], Tensor] = lambda x: x.flatten(2),
) -> Function:
    """The mean of (8), with one step changed by each argument."""

    def tell(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        x = flat(x)
        weighed = positions(x.shape[2]) * where(alpha)[:, None] * x
        return pool(channels(x.shape[1]) * what(beta)[:, :, None] * weighed)

    return tell


TELL = FunctionExercise(
    chapter=CHAPTER,
    name="tell",
    title="Tell the mean without the map",
    level=2,
    task="Write `tell(x, alpha, beta)`: from a map x (b, c, rows, columns), weights alpha (b, n) "
    "of its n positions in reading order and beta (b, c) of its channels, to the mean over the "
    "positions of the output (8), with both factors: (b, c). Try to build no weighed map.",
    hints=(
        "The mean over the positions divides by N, and (3) multiplies by N.",
        "What is left of the positions is a sum under alpha: `x.flatten(2) @ alpha[:, :, None]`.",
        "`x.shape[1] * beta * (x.flatten(2) @ alpha[:, :, None])[:, :, 0]`.",
    ),
    explanation="The factor N and the mean cancel: what is told is the context of soft attention, "
    "with each channel made louder or softer.",
    reference=_tell(),
    alternatives=(
        lambda x, alpha, beta: x.shape[1] * beta * torch.einsum("bcn,bn->bc", x.flatten(2), alpha),
    ),
    cases=(
        Case("plain", _given(3, 5, 2, 4)),
        Case("one image", _given(1, 4, 3, 2)),
        Case("as many channels as positions", _given(2, 6, 2, 3)),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "no factors",
            "You use the weights as they are. Here both are rescaled: positions by N and channels "
            "by C.",
            _tell(positions=lambda n: 1.0, channels=lambda c: 1.0),
        ),
        Misconception(
            "the factor of the positions lost",
            "Your mean is N times too small: (3) multiplies the weights of positions by N.",
            _tell(positions=lambda n: 1.0),
        ),
        Misconception(
            "the factor of the channels lost",
            "Your mean is C times too small: (6) multiplies the weights of channels by C.",
            _tell(channels=lambda c: 1.0),
        ),
        Misconception(
            "a sum in place of the mean",
            "Your result is N times too large: you add up the positions of the output, whose mean "
            "is asked for, or you have the factor N twice.",
            _tell(pool=lambda y: y.sum(dim=2)),
        ),
        Misconception(
            "positions in columns",
            "Your weights meet other positions: alpha goes along the rows, as `x.flatten(2)` does.",
            _tell(flat=lambda x: x.mT.flatten(2)),
        ),
        Misconception(
            "positions that count alike",
            "Your result does not depend on alpha: the positions have to be weighed before they "
            "are added.",
            _tell(where=lambda a: torch.full_like(a, 1 / a.shape[1])),
        ),
        Misconception(
            "channels that count alike",
            "Your result does not depend on beta.",
            _tell(what=lambda b: torch.full_like(b, 1 / b.shape[1])),
        ),
    ),
)

# 3. The pull on a channel ----------------------------------------------------------------


def _told(b: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            "v": _randn(generator, b, c),
            "beta": _randn(generator, b, c).softmax(dim=1),
            "d": _randn(generator, b, c),
        }

    return draw


@recipe
def _pull(
    *,
    mean: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda g, p, d: (p * g).sum(
        dim=1, keepdim=True
    ),
    factor: Callable[[Tensor], Tensor] = lambda p: p,
    count: Callable[[int], float] = float,
    felt: Callable[[Tensor, Tensor], Tensor] = lambda v, d: v * d,
) -> Function:
    """Equation (11), with one step changed by each argument."""

    def pull(v: Tensor, beta: Tensor, d: Tensor) -> Tensor:
        g = felt(v, d)
        return count(v.shape[1]) * factor(beta) * (g - mean(g, beta, d))

    return pull


PULL = FunctionExercise(
    chapter=CHAPTER,
    name="pull",
    title="Derive who turns a channel up",
    level=3,
    task="Write `pull(v, beta, d)`: for z_c = C β_c v_c with β = softmax(s), from v (b, c), beta "
    "(b, c) and d = ∂L/∂z (b, c) to ∂L/∂s, (b, c), with v held fixed. Derive "
    "it: no autograd, and no differences of two values.",
    hints=(
        "First ∂L/∂β_c: z is linear in the weights, so it is C v_c d_c.",
        "The way back through a softmax is ∂L/∂s_c = β_c (g_c - Σ_k β_k g_k).",
        "`C * beta * (v * d - (beta * v * d).sum(dim=1, keepdim=True))`.",
    ),
    explanation="Gradient descent turns a channel up where v d lies below its mean under beta. "
    "A channel that has hardly any weight hardly hears.",
    reference=_pull(),
    alternatives=(
        lambda v, beta, d: torch.einsum(
            "bck,bk->bc",
            torch.diag_embed(beta) - beta[:, :, None] * beta[:, None],
            v.shape[1] * v * d,
        ),
    ),
    cases=(
        Case("plain", _told(3, 5)),
        Case("one image", _told(1, 6)),
        Case("as many images as channels", _told(4, 4)),
    ),
    gradients=(),
    by_hand=True,
    properties=(all_digits(_pull()),),
    tolerance=Tolerance(relative=1e-11, absolute=1e-12),
    misconceptions=(
        Misconception(
            "no competition",
            "You follow each weight as if it were free. What one channel gains the others lose: "
            "subtract the mean under beta.",
            _pull(mean=lambda g, p, d: 0 * g),
        ),
        Misconception(
            "a plain mean in place of the one under beta",
            "You subtract the plain mean of v d. The softmax subtracts the mean under its own "
            "weights.",
            _pull(mean=lambda g, p, d: g.mean(dim=1, keepdim=True)),
        ),
        Misconception(
            "a sum in place of the mean under beta",
            "You subtract the sum of v d. The softmax subtracts the mean under its own weights.",
            _pull(mean=lambda g, p, d: g.sum(dim=1, keepdim=True)),
        ),
        Misconception(
            "the channel's mean lost in what is subtracted",
            "You subtract the mean of d under beta. What each channel gains is v d, in the mean "
            "too.",
            _pull(mean=lambda g, p, d: (p * d).sum(dim=1, keepdim=True)),
        ),
        Misconception(
            "a mean over the batch",
            "You add up axis 0, the images. The channels of one image compete: axis 1.",
            _pull(mean=lambda g, p, d: (p * g).sum(dim=0, keepdim=True)),
        ),
        Misconception(
            "the diagonal alone",
            "beta (1 - beta) is how a weight answers to its own score. Every score moves the "
            "weights of all other channels, too.",
            _pull(mean=lambda g, p, d: p * g),
        ),
        Misconception(
            "beta squared",
            "You have one factor of beta too many before the bracket.",
            _pull(factor=lambda p: p * p),
        ),
        Misconception(
            "a lost factor of beta",
            "The softmax multiplies by its weight on the way back: a channel of "
            "little weight hardly hears.",
            _pull(factor=torch.ones_like),
        ),
        Misconception(
            "a lost factor of C",
            "z has the factor C, and so has its gradient.",
            _pull(count=lambda c: 1.0),
        ),
        Misconception(
            "the channel's mean forgotten",
            "A weight acts through what it weighs: ∂L/∂β_c is C v_c d_c, and v is missing.",
            _pull(felt=lambda v, d: d),
        ),
        Misconception(
            "the gradient forgotten",
            "Your result does not depend on d.",
            _pull(felt=lambda v, d: v),
        ),
    ),
)
