"""Exercises on the vision transformer that ask for a function: heads, and rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, adds_up, lost_scale, no_softmax, wrong_axes
from attncourse.spatial.vision_transformer import head_read
from attncourse.spatial.vision_transformer import rollout as of_the_package

CHAPTER = "spatial/vision_transformer"
Draw = Callable[[torch.Generator], dict[str, Any]]
Function = Callable[..., Tensor]

# 1. Several heads ------------------------------------------------------------------------


def _tokens(b: int, n: int, c: int, heads: int, scale: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        q, k, v = torch.randn(3, b, n, c, generator=generator, dtype=torch.float64)
        return {"q": scale * q, "k": k, "v": v, "heads": heads}

    return draw


def _split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _in_turn(x: Tensor, heads: int) -> Tensor:
    """Channel 0 to the first head, channel 1 to the second."""
    return x.unflatten(2, (-1, heads)).permute(0, 3, 1, 2)


def _cut_up(x: Tensor, heads: int) -> Tensor:
    """Reshaped while the tokens still stand in front."""
    b, n, c = x.shape
    return x.reshape(b, heads, n, c // heads)


def _back_as_it_was(y: Tensor) -> Tensor:
    return y.reshape(y.shape[0], y.shape[2], -1)


def _joined(y: Tensor) -> Tensor:
    return y.transpose(1, 2).flatten(2)


@recipe
def _multi_head(
    *,
    scale: Callable[[int], float] = lambda d: d**-0.5,
    wide: Callable[[int], float] = lambda heads: 1.0,
    weigh: Weigh = lambda s: s.softmax(dim=3),
    split: Callable[[Tensor, int], Tensor] = _split,
    maps: Callable[[Tensor], Tensor] = lambda a: a,
    join: Callable[[Tensor], Tensor] = _joined,
) -> Function:
    """Equations (2) and (3), with one step changed by each argument."""

    def multi_head(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        q, k, v = (split(t, heads) for t in (q, k, v))
        s = q @ k.mT * (scale(q.shape[3]) * wide(heads))
        return join(maps(weigh(s)) @ v)

    return multi_head


def _by_loops(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    found = []
    for q_, k_, v_ in zip(q.chunk(heads, 2), k.chunk(heads, 2), v.chunk(heads, 2), strict=True):
        found.append((q_ @ k_.mT / q_.shape[2] ** 0.5).softmax(dim=2) @ v_)
    return torch.cat(found, dim=2)


def _by_einsum(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (t.unflatten(2, (heads, -1)) for t in (q, k, v))
    a = (torch.einsum("bimd,bjmd->bmij", q, k) / q.shape[3] ** 0.5).softmax(dim=3)
    return torch.einsum("bmij,bjmd->bimd", a, v).flatten(2)


MULTI_HEAD = FunctionExercise(
    chapter=CHAPTER,
    name="multi_head",
    title="Write the heads",
    level=2,
    task="Write `multi_head(q, k, v, heads)`: from queries, keys and values (b, n, c) to what the "
    "heads have read, side by side, (b, n, c): equations (2) and (3). Head m owns the channels "
    "from m d to (m + 1) d, with d = c / heads.",
    hints=(
        "Give the heads an axis of their own: (b, heads, n, d). `unflatten` the channels, then "
        "move the new axis.",
        "`q.unflatten(2, (heads, -1)).transpose(1, 2)`, and the same for k and v.",
        "Per head a softmax of `q @ k.mT` over the root of d, along the keys, times v.",
        "Back: `transpose(1, 2)` first, then `flatten(2)`.",
    ),
    explanation="One matrix product serves all heads: they are one more axis of the batch. The "
    "work is that of a single head, for c numbers are split and not multiplied.",
    reference=_multi_head(),
    alternatives=(_by_loops, _by_einsum, head_read),
    cases=(
        Case("plain", _tokens(2, 5, 6, 2)),
        Case("three heads", _tokens(1, 4, 12, 3)),
        Case("as many heads as tokens", _tokens(2, 4, 8, 4)),
        Case("one head", _tokens(2, 3, 5, 1)),
        Case("large values", _tokens(1, 6, 4, 2, scale=2_000.0)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-10),
    misconceptions=(
        *lost_scale(lambda scale: _multi_head(scale=scale)),
        Misconception(
            "the root of the whole width",
            "You divide by the root of c. The sum in q·k runs over the d = c / heads numbers of "
            "one head.",
            _multi_head(wide=lambda heads: heads**-0.5),
        ),
        *wrong_axes(
            lambda axis: _multi_head(weigh=lambda s: s.softmax(dim=axis)),
            3,
            "the keys of a query",
            {1: "the heads", 2: "the queries"},
        ),
        *no_softmax(lambda weigh: _multi_head(weigh=weigh), 3),
        Misconception(
            "channels dealt out in turn",
            "Your head m owns every M-th channel. `unflatten(2, (heads, -1))` gives it d channels "
            "in a row; you have heads and d the other way round.",
            _multi_head(split=_in_turn),
            (_multi_head(split=_in_turn, join=lambda y: y.permute(0, 2, 3, 1).flatten(2)),),
        ),
        Misconception(
            "tokens cut up into heads",
            "Your split cuts tokens up: (b, n, c) reshaped to (b, heads, n, d) gives the first "
            "tokens, whole, to the first head. Split the channels, `unflatten(2, (heads, -1))`, "
            "and then move the heads with `transpose(1, 2)`.",
            _multi_head(split=_cut_up),
            (_multi_head(split=_cut_up, join=_back_as_it_was),),
        ),
        Misconception(
            "heads that are not moved back",
            "The result is cut up: flatten (b, heads, n, d) only after the heads have been moved "
            "behind the tokens, with `transpose(1, 2)`.",
            _multi_head(join=_back_as_it_was),
        ),
        Misconception(
            "a single head",
            "You read with a single head of the whole width, whatever `heads` is. Split the "
            "channels first: each head has a softmax of its own.",
            _multi_head(split=lambda t, heads: t[:, None]),
        ),
        Misconception(
            "one map for all heads",
            "You read every head with the mean of all maps. Each head keeps its own.",
            _multi_head(maps=lambda a: a.mean(dim=1, keepdim=True).expand_as(a)),
        ),
    ),
)

# 2. Rollout ------------------------------------------------------------------------------


def _maps(layers: int, heads: int, n: int, sharp: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        s = torch.randn(layers, heads, n, n, generator=generator, dtype=torch.float64)
        return {"maps": (sharp * s).softmax(dim=3)}

    return draw


@recipe
def _rollout(
    *,
    mean: Callable[[Tensor], Tensor] = lambda a: a.mean(dim=0),
    with_skip: Callable[[Tensor, Tensor], Tensor] = lambda a, unit: (a + unit) / 2,
    multiply: Callable[[Tensor, Tensor], Tensor] = lambda layer, found: layer @ found,
) -> Function:
    """Equation (13), with one step changed by each argument."""

    def rollout(maps: Tensor) -> Tensor:
        unit = torch.eye(maps.shape[-1], dtype=maps.dtype)
        found = unit
        for layer in maps:
            found = multiply(with_skip(mean(layer), unit), found)
        return found

    return rollout


def _by_chain(maps: Tensor) -> Tensor:
    steps = (maps.mean(dim=1) + torch.eye(maps.shape[-1], dtype=maps.dtype)) / 2
    return steps[0] if len(steps) == 1 else torch.linalg.multi_dot(list(steps.flip(0)))


def _by_package(maps: Tensor) -> Tensor:
    return of_the_package(maps[:, None])[0]


def _by_lerp(maps: Tensor) -> Tensor:
    found = torch.eye(maps.shape[-1], dtype=maps.dtype)
    for layer in maps:
        found = found.lerp(torch.einsum("mij,jk->ik", layer, found) / len(layer), 0.5)
    return found


def _by_sums(maps: Tensor) -> Tensor:
    """The widespread form: rows are divided by what they add up to."""
    found = torch.eye(maps.shape[-1], dtype=maps.dtype)
    for layer in maps:
        step = layer.mean(dim=0) + torch.eye(maps.shape[-1], dtype=maps.dtype)
        found = step / step.sum(dim=-1, keepdim=True) @ found
    return found


ROLLOUT = FunctionExercise(
    chapter=CHAPTER,
    name="rollout",
    title="Roll the maps out",
    level=2,
    task="Write `rollout(maps)`: from the maps of one image, (L, M, n, n), the first layer first, "
    "to the rollout (n, n) of equation (13).",
    hints=(
        "For each layer the mean over its heads, (n, n), and half of it replaced by the identity.",
        "The token that comes out of layer 2 reads tokens that came out of layer 1: which matrix "
        "stands on the left?",
        "`found = torch.eye(n)`, then for each layer `found = (layer.mean(0) + eye) / 2 @ found`.",
    ),
    explanation="Every factor has rows that add up to 1, and so has their product: a row of the "
    "rollout is a distribution over the tokens. Values, MLPs and normalisations are not in it.",
    reference=_rollout(),
    alternatives=(_by_chain, _by_package, _by_lerp, _by_sums),
    gradients=(),  # rows divided by their sums are the same values, with other slopes
    cases=(
        Case("plain", _maps(3, 2, 5)),
        Case("two layers", _maps(2, 3, 4, sharp=3.0)),
        Case("one layer", _maps(1, 2, 4)),
        Case("one head", _maps(4, 1, 6)),
    ),
    properties=(adds_up("the rows add up to 1", 1),),
    tolerance=Tolerance(relative=1e-6, absolute=1e-10),
    misconceptions=(
        Misconception(
            "the first layer on the left",
            "You multiply in the wrong order. The last layer asks first: it stands on the left.",
            _rollout(multiply=lambda layer, found: found @ layer),
        ),
        Misconception(
            "no way around the attention",
            "The residual sum is missing: a token keeps itself beside what it reads. Take half of "
            "the map and half of the identity.",
            _rollout(with_skip=lambda a, unit: a),
        ),
        Misconception(
            "rows that add up to two",
            "Map plus identity has rows that add up to 2. Halve them, or they double in every "
            "layer.",
            _rollout(with_skip=lambda a, unit: a + unit),
        ),
        Misconception(
            "a sum over heads",
            "You add the maps of the heads up. Their mean still has rows that add up to 1.",
            _rollout(mean=lambda a: a.sum(dim=0)),
        ),
        Misconception(
            "the largest head",
            "You take the largest weight over the heads. Equation (13) takes the mean.",
            _rollout(mean=lambda a: a.amax(dim=0)),
        ),
        Misconception(
            "the columns",
            "Your maps are transposed. A row belongs to the token that asks.",
            _rollout(mean=lambda a: a.mean(dim=0).mT),
        ),
    ),
)
