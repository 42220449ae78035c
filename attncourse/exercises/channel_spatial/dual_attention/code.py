"""Exercises on dual attention that ask for a function: both maps, and a way back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.channel_spatial.dual_attention.channel import channel_map
from attncourse.channel_spatial.dual_attention.position import attend_blocks
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.shelf import Weigh, adds_up, no_softmax, scaled_anyway, wrong_axes

CHAPTER = "channel_spatial/dual_attention"
Draw = Callable[[torch.Generator], dict[str, Tensor]]


def _normal(dtype: torch.dtype = torch.float32, **shapes: tuple[int, ...]) -> Draw:
    """Draws one tensor for each name, small enough for maps that are not one-hot."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        return {
            name: 0.4 * torch.randn(shape, generator=generator, dtype=dtype)
            for name, shape in shapes.items()
        }

    return draw


def _raised(draw: Draw, level: float, by: float = 1.0) -> Draw:
    """Inputs whose energies are large: x stretched ``by``, or q and k with a common part."""

    def raised(generator: torch.Generator) -> dict[str, Tensor]:
        drawn = {name: by * value for name, value in draw(generator).items()}
        for name in drawn.keys() & {"q", "k"}:
            drawn[name][:, 0] = level
        return drawn

    return raised


# 1. The channel map ----------------------------------------------------------------------


def _energy(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    return flat @ flat.mT


def _cosines(x: Tensor) -> Tensor:
    flat = torch.nn.functional.normalize(x.flatten(2), dim=2)
    return (flat @ flat.mT).softmax(dim=-1)


CHANNEL_MAP = FunctionExercise(
    chapter=CHAPTER,
    name="channel_map",
    title="Write the channel map",
    level=1,
    task="Write `channel_weights(x)`: from features, (b, c, h, w), to the paper's map T, "
    "(b, c, c).",
    hints=(
        "A channel is a vector of n = h·w numbers. Which product of a matrix with itself holds "
        "all inner products of such vectors?",
        "`flat = x.flatten(2)` is (b, c, n), and `flat @ flat.mT` is the energy G.",
        "Row c belongs to the channel that attends, and it must sum to 1: a softmax over the last "
        "axis, of G as it is.",
    ),
    explanation="No weights, no scale, no minus: a channel attends to what it is like.",
    reference=lambda x: channel_map(x.flatten(2)),
    alternatives=(
        lambda x: (
            torch.einsum("bchw,bdhw->bcd", x, x)
            - torch.einsum("bchw,bdhw->bcd", x, x).amax(dim=-1, keepdim=True)
        ).softmax(dim=-1),
    ),
    cases=(
        Case("plain", _normal(x=(2, 5, 4, 3))),
        Case("one image, one row", _normal(x=(1, 4, 1, 7))),
        Case("large energies", _raised(_normal(x=(2, 3, 4, 3)), 0.0, by=10.0)),
        Case("double precision", _normal(torch.float64, x=(3, 6, 5, 5))),
        Case("one position", _normal(x=(2, 3, 1, 1))),
    ),
    properties=(adds_up("every row sums to 1"),),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "the map of the released code",
            "Your softmax sees -G, perhaps as `max - G`: every channel attends to what it is least "
            "like. To keep `exp` small, subtract the largest entry: `G - max`.",
            lambda x: (-_energy(x)).softmax(dim=-1),
        ),
        *wrong_axes(
            lambda axis: lambda x: _energy(x).softmax(dim=axis),
            2,
            "the channels that are attended to",
            {1: "the channels that attend", 0: "the batch"},
        ),
        *no_softmax(lambda weigh: lambda x: weigh(_energy(x)), 2),
        Misconception(
            "an energy divided by the number of positions",
            "A sensible option, `power=1` in the package, but not equation (4): the paper divides "
            "by nothing.",
            lambda x: (_energy(x) / x[0, 0].numel()).softmax(dim=-1),
        ),
        Misconception(
            "cosines in place of inner products",
            "You divide by the lengths of the channels. In (4) a strong channel has large "
            "energies.",
            _cosines,
        ),
        Misconception(
            "a map of one number for each channel",
            "You compare each channel with itself only. T has an entry for each pair.",
            lambda x: torch.diag_embed(x.flatten(2).square().sum(-1).softmax(-1)),
        ),
    ),
)

# 2. Gather the positions -----------------------------------------------------------------


def _likeness(q: Tensor, k: Tensor) -> Tensor:
    return q.mT @ k


def _gathered(weigh: Weigh) -> Callable[..., Tensor]:
    return lambda q, k, v: v @ weigh(_likeness(q, k)).mT


POSITION = FunctionExercise(
    chapter=CHAPTER,
    name="gather_positions",
    title="Gather the positions",
    level=2,
    task="Write `attend(q, k, v)`: from queries and keys, (b, d, n), and values, "
    "(b, c, n), to what the position branch adds before the scale, (b, c, n).",
    hints=(
        "First the map. Entry (i, j) of S compares query i with key j: which of the two must be "
        "transposed, when positions are columns?",
        "`(q.mT @ k).softmax(dim=-1)` has one row for each query, and each row sums to 1.",
        "Column i of the result is the sum over j of S[i, j] times column j of `v`. Written as a "
        "product, j must be the inner index of both factors.",
        "`v @ s.mT`.",
    ),
    explanation="Positions are columns here, so the map stands on the right and transposed. With "
    "channels it stands on the left: T X.",
    reference=lambda q, k, v: attend_blocks(q, k, v),
    alternatives=(
        lambda q, k, v: torch.einsum("bij,bcj->bci", _likeness(q, k).softmax(-1), v),
        lambda q, k, v: v @ (k.mT @ q).softmax(dim=1),
    ),
    cases=(
        Case("plain", _normal(q=(2, 3, 12), k=(2, 3, 12), v=(2, 5, 12))),
        Case("one image", _normal(q=(1, 2, 6), k=(1, 2, 6), v=(1, 6, 6))),
        Case(
            "large energies, far apart",
            _raised(_normal(torch.float64, q=(2, 3, 7), k=(2, 3, 7), v=(2, 4, 7)), 30.0, by=60.0),
        ),
        Case("double precision", _normal(torch.float64, q=(2, 4, 9), k=(2, 4, 9), v=(2, 3, 9))),
    ),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "a map that is not transposed",
            "`v @ s` adds up over queries, and position i receives what others attend to *of* it. "
            "With one row for each query it must be `v @ s.mT`.",
            lambda q, k, v: v @ _likeness(q, k).softmax(-1),
        ),
        *wrong_axes(
            lambda axis: _gathered(lambda s: s.softmax(axis)),
            2,
            "the keys of a query",
            {1: "the queries", 0: "the batch"},
        ),
        *no_softmax(_gathered, 2),
        scaled_anyway(
            lambda scale: lambda q, k, v: v @ (scale(q.shape[1]) * _likeness(q, k)).softmax(-1).mT,
            "That is the scaled dot product of Transformers. Equation (2) has no scale; with "
            "`scaled_dot_product_attention` pass `scale=1.0`.",
        ),
        Misconception(
            "queries and keys that have changed places",
            "Your row i belongs to key i. Equation (2) has one row for each query.",
            lambda q, k, v: v @ _likeness(k, q).softmax(-1).mT,
        ),
    ),
)

# 3. The way back of the channel branch ---------------------------------------------------


def _by_autograd(x: Tensor, g: Tensor, beta: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    y = leaf + beta * channel_map(leaf) @ leaf
    return torch.autograd.grad(y, leaf, g)[0]


def _by_hand(
    x: Tensor, g: Tensor, beta: Tensor, *, residual: bool = True, transposed: bool = True,
    symmetric: bool = True, centred: bool = True, through_map: bool = True,
) -> Tensor:  # fmt: skip
    """Equation (12), with parts that can be left out."""
    t = channel_map(x)
    gathered = beta * (t.mT if transposed else t) @ g
    to_t = beta * g @ x.mT
    to_g = t * (to_t - ((t * to_t).sum(-1, keepdim=True) if centred else 0))
    through = ((to_g + to_g.mT) if symmetric else to_g) @ x
    return (g if residual else 0) + gathered + (through if through_map else 0)


def _without(**parts: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda x, g, beta: _by_hand(x, g, beta, **parts)


BACKWARD = FunctionExercise(
    chapter=CHAPTER,
    name="backward",
    title="The way back of the channel branch",
    level=3,
    task="Write `backward(x, g, beta)`: from x, (b, c, n), the gradient g that arrives at y, "
    "(b, c, n), and the scale to the gradient with respect to x, (b, c, n).",
    hints=(
        "x acts on y = x + β T X in three places: as the residual, as what is gathered, and twice "
        "inside T.",
        "Hold T fixed first: that gives `g + beta * t.mT @ g`.",
        "Then the map: dL/dT is `beta * g @ x.mT`, and a softmax turns a gradient u into "
        "`t * (u - (t * u).sum(-1, keepdim=True))`.",
        "G = X Xᵀ holds x twice, so a gradient D of G passes on `(D + D.mT) @ x`.",
    ),
    explanation="The last term couples all channels: the energy is symmetric, its gradient is not, "
    "and only the sum of D and its transpose reaches x.",
    reference=_by_autograd,
    alternatives=(_by_hand,),
    cases=(
        Case("plain", _normal(torch.float64, x=(2, 4, 9), g=(2, 4, 9), beta=(1,))),
        Case("one image", _normal(torch.float64, x=(1, 3, 5), g=(1, 3, 5), beta=(1,))),
        Case("many channels", _normal(torch.float64, x=(2, 9, 6), g=(2, 9, 6), beta=(1,))),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "a map that is taken for a constant",
            "The first two terms are right. T is computed from x as well.",
            _without(through_map=False),
        ),
        Misconception(
            "half of the energy's gradient",
            "G = X Xᵀ holds x on both sides: D and its transpose both count.",
            _without(symmetric=False),
        ),
        Misconception(
            "a softmax without its common term",
            "Raising one logit lowers all other weights of the row. Subtract the mean of the "
            "gradient under t.",
            _without(centred=False),
        ),
        Misconception(
            "a forgotten residual",
            "The x in front of the plus passes g on as it is.",
            _without(residual=False),
        ),
        Misconception(
            "a map that is not transposed",
            "y = T x gathers by rows; the way back sends by columns, `t.mT @ g`.",
            _without(transposed=False),
        ),
    ),
)
