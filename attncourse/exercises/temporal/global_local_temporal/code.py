"""Exercises on GLTR that ask for a function: weights, one branch, the gradient of a query."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import (
    adds_up,
    all_digits,
    no_softmax,
    scaled_anyway,
    softmax_backward,
    wrong_axes,
)
from attncourse.temporal.global_local_temporal.attention import temporal_weights
from attncourse.temporal.global_local_temporal.pyramid import pyramid

CHAPTER = "temporal/global_local_temporal"
Draw = Callable[[torch.Generator], dict[str, Tensor]]

# 1. The weights --------------------------------------------------------------------------


def _pairs(
    b: int,
    t: int,
    e: int,
    dtype: torch.dtype = torch.float32,
    scale: float = 1,
    *,
    grad: bool = False,
) -> Draw:
    """Draws queries and keys, stretched by ``scale``, and a gradient of the weights if asked to."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        shapes = {"q": (b, t, e), "k": (b, t, e)} | ({"grad": (b, t, t)} if grad else {})
        drawn = {
            name: torch.randn(shape, generator=generator, dtype=dtype)
            for name, shape in shapes.items()
        }
        return drawn | {"q": scale * drawn["q"]}

    return draw


WEIGHTS = FunctionExercise(
    chapter=CHAPTER,
    name="weights",
    title="Write the weights",
    level=1,
    task="Write `weights(q, k)`: from queries and keys, both (b, t, e), to the attention A, "
    "(b, t, t), with the temperature 1.",
    hints=(
        "A has one row for each frame that asks and one column for each frame that is asked. All "
        "scores of a clip are one product of two matrices.",
        "`k.mT` exchanges the last two axes, so `q @ k.mT` is (b, t, t), and its entry i, j is the "
        "product of query i and key j.",
        "Row i must sum to 1 over all j: a softmax over the last axis, and no square root.",
    ),
    explanation="Row i is a share of frame i's attention for every frame of its clip.",
    reference=lambda q, k: temporal_weights(q, k),
    alternatives=(lambda q, k: torch.einsum("bie,bje->bij", q, k).softmax(dim=-1),),
    cases=(
        Case("plain", _pairs(3, 6, 4)),
        Case("one clip", _pairs(1, 5, 3)),
        Case("scores that `exp` cannot hold", _pairs(2, 4, 16, scale=40.0)),
        Case("double precision", _pairs(2, 7, 2, dtype=torch.float64)),
        Case("one frame", _pairs(2, 1, 4)),
    ),
    properties=(adds_up("every row sums to 1", absolute=1e-4),),
    misconceptions=(
        *wrong_axes(
            lambda axis: lambda q, k: (q @ k.mT).softmax(dim=axis),
            2,
            "the frames that are asked",
            {1: "the frames that ask", 0: "the clips of the batch"},
        ),
        *no_softmax(lambda weigh: lambda q, k: weigh(q @ k.mT), 2),
        scaled_anyway(
            lambda scale: lambda q, k: (scale(q.shape[2]) * (q @ k.mT)).softmax(dim=2),
            "That is scaled dot-product attention; GLTR's authors do not divide.",
        ),
        Misconception(
            "queries and keys exchanged",
            "Row i must hold the products of query i with all keys: `q @ k.mT`.",
            lambda q, k: (k @ q.mT).softmax(dim=2),
        ),
    ),
)

# 2. One branch of the pyramid ------------------------------------------------------------


def _clip(
    b: int, t: int, c: int, rate: int, dtype: torch.dtype = torch.float32
) -> Callable[[torch.Generator], dict[str, object]]:
    """Draws a clip and the taps of one branch."""

    def draw(generator: torch.Generator) -> dict[str, object]:
        return {
            "x": torch.randn(b, t, c, generator=generator, dtype=dtype),
            "taps": torch.randn(c, c, 3, generator=generator, dtype=dtype),
            "rate": rate,
        }

    return draw


def _branch(x: Tensor, taps: Tensor, rate: int) -> Tensor:
    return pyramid(x, taps[None], (rate,), keep_input=False)


@recipe
def _changed(
    *, dilated: bool = True, backwards: bool = False, turned: bool = False, relu: bool = False
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """The branch, with one step changed by each argument."""

    def branch(x: Tensor, taps: Tensor, rate: int) -> Tensor:
        taps = taps.flip(2) if backwards else taps
        taps = taps.transpose(0, 1) if turned else taps
        y = _branch(x, taps, rate if dilated else 1)
        return y.relu() if relu else y

    return branch


def _padded(x: Tensor, taps: Tensor, rate: int, mode: str) -> Tensor:
    """The branch with other frames than zeros around the clip."""
    t, longer = x.shape[1], x.mT
    for _ in range(rate):  # one frame at a time, since a clip may be shorter than the padding
        first, last = longer[:, :, :1], longer[:, :, -1:]
        if mode == "around":
            n = (longer.shape[2] - t) // 2
            first, last = longer[:, :, n + t - 1 - n % t][:, :, None], longer[:, :, n + n % t, None]
        longer = torch.cat([first, longer, last], dim=2)
    return F.conv1d(longer, taps, dilation=rate).mT


def _shifted(x: Tensor, taps: Tensor, rate: int) -> Tensor:
    t, long = x.shape[1], F.pad(x, (0, 0, rate, rate))
    return sum(long[:, tap * rate : tap * rate + t] @ taps[:, :, tap].T for tap in range(3))  # type: ignore[return-value]


BRANCH = FunctionExercise(
    chapter=CHAPTER,
    name="branch",
    title="Write one branch of the pyramid",
    level=2,
    task="Write `branch(x, taps, rate)`: equation (1), from the frames x, (b, t, c), and the taps "
    "W, (c, c, 3), to p, (b, t, c).",
    hints=(
        "Three products of a matrix with a frame are added up: the frame `rate` earlier, the frame "
        "itself, the frame `rate` later. What stands outside the clip is zero.",
        "`long = torch.nn.functional.pad(x, (0, 0, rate, rate))` puts `rate` frames of zeros at "
        "either end; `long[:, :t]` then holds the earlier frames.",
        "Or let PyTorch do it: `conv1d` with `padding=rate, dilation=rate`. It wants channels "
        "before time, so hand it `x.mT` and turn the result round again.",
    ),
    explanation="A width of 3 and a rate r reach 2r + 1 frames with three products.",
    reference=_branch,
    alternatives=(_shifted,),
    cases=(
        Case("plain", _clip(2, 9, 4, 2)),
        Case("rate 1", _clip(2, 6, 3, 1)),
        Case("as many frames as channels", _clip(2, 5, 5, 3)),
        Case("a clip shorter than the reach", _clip(1, 3, 4, 3)),
        Case("double precision", _clip(3, 8, 2, 2, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "a branch that is not dilated",
            "You read the next frame on either side whatever the rate. Go `rate` frames away.",
            _changed(dilated=False),
        ),
        Misconception(
            "time that runs backwards",
            "Tap 0 belongs to the earlier frame, t - r, and tap 2 to the later one.",
            _changed(backwards=True),
        ),
        Misconception(
            "a transposed tap",
            "`taps[:, :, l]` maps a frame to a frame, W x. For rows of frames that is "
            "`x @ taps[:, :, l].T`.",
            _changed(turned=True),
        ),
        Misconception(
            "a clip that is closed to a ring",
            "`torch.roll` brings the last frame before the first one. Outside the clip there are "
            "zeros.",
            lambda x, taps, rate: _padded(x, taps, rate, "around"),
        ),
        Misconception(
            "ends that are repeated",
            "Outside the clip there are zeros, not copies of the first and the last frame.",
            lambda x, taps, rate: _padded(x, taps, rate, "repeat"),
        ),
        Misconception(
            "a ReLU that is not in (1)",
            "GLTR's pyramid is linear. The chapter says what follows from that.",
            _changed(relu=True),
        ),
    ),
)

# 3. The gradient of a query --------------------------------------------------------------


def _derived(q: Tensor, k: Tensor, grad: Tensor) -> Tensor:
    weights = temporal_weights(q, k)
    lead = k[:, None] - (weights @ k)[:, :, None]  # key j less the average key of frame i
    return ((grad * weights)[..., None] * lead).sum(dim=2)


def _score_gradient(q: Tensor, k: Tensor, grad: Tensor) -> Tensor:
    weights = temporal_weights(q, k)
    return weights * (grad - (weights * grad).sum(dim=2, keepdim=True))


QUERY_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="query_gradient",
    title="Derive what pulls a query",
    level=3,
    task="Write `query_gradient(q, k, grad)`: from grad = ∂L/∂A, (b, t, t), to ∂L/∂q, (b, t, e), "
    "for A = softmax(q kᵀ). Derive it: no autograd, and no differences of two values.",
    hints=(
        "A query moves its own row of A, and nothing else. Equation (6) says how the row moves; "
        "the chain rule adds up its entries.",
        "∂L/∂q_i is the sum over j of (∂L/∂A)_ij A_ij (k_j - k̄_i), where k̄_i is the mean of the "
        "keys with row i of A as weights.",
        "`average = A @ k` holds k̄, and the sum is "
        "`(grad * A) @ k - (grad * A).sum(dim=2, keepdim=True) * average`.",
    ),
    explanation="Keys that beat the average key of their row pull the query; the others push it.",
    reference=_derived,
    alternatives=(lambda q, k, grad: _score_gradient(q, k, grad) @ k,),
    cases=(
        Case("plain", _pairs(2, 5, 3, torch.float64, grad=True)),
        Case("one clip", _pairs(1, 4, 6, torch.float64, grad=True)),
        Case("sharp weights", _pairs(2, 6, 4, torch.float64, scale=3.0, grad=True)),
        Case("one frame", _pairs(3, 1, 2, torch.float64, grad=True)),
    ),
    gradients=(),
    by_hand=True,
    properties=(all_digits(_derived),),
    tolerance=Tolerance(relative=1e-11, absolute=1e-12),
    misconceptions=(
        *softmax_backward(
            lambda rule: lambda q, k, grad: rule(temporal_weights(q, k), grad, 2) @ k, weight="A"
        ),
        Misconception(
            "a plain average of the keys",
            "The average key of row i takes the weights of row i: `A @ k`.",
            lambda q, k, grad: (
                (grad * temporal_weights(q, k)) @ k
                - (grad * temporal_weights(q, k)).sum(2, keepdim=True) * k.mean(1, keepdim=True)
            ),
        ),
        Misconception(
            "the gradient of the keys",
            "This is ∂L/∂k, the transposed way. For the queries multiply by the keys.",
            lambda q, k, grad: _score_gradient(q, k, grad).mT @ q,
        ),
    ),
)
