"""Exercises on asymmetric non-local blocks that ask for a function."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.spatial.asymmetric_non_local import SIZES, anchors, pooling_matrix

CHAPTER = "spatial/asymmetric_non_local"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]
Step = Callable[[Tensor], Tensor]

# 1. Read from anchors --------------------------------------------------------------------


def _maps(b: int, d: int, c: int, h: int, w: int, scale: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(width: int) -> Tensor:
            return torch.randn(b, width, h, w, generator=generator, dtype=torch.float64)

        return {"q": scale * randn(d), "k": scale * randn(d), "v": randn(c)}

    return draw


def _largest(t: Tensor) -> Tensor:
    return torch.cat([F.adaptive_max_pool2d(t, side).flatten(2) for side in SIZES], dim=2)


def _by_level(logits: Tensor) -> Tensor:
    parts = logits.split([side * side for side in SIZES], dim=2)
    return torch.cat([part.softmax(dim=2) for part in parts], dim=2) / len(SIZES)


def _coarse(q: Tensor) -> Tensor:
    return F.interpolate(F.adaptive_avg_pool2d(q, 8), size=q.shape[2:], mode="nearest")


@recipe
def _read(
    *,
    pool_keys: Step = anchors,
    pool_values: Step = anchors,
    queries: Step = lambda q: q,
    scale: Callable[[int], float] = lambda d: d**-0.5,
    weigh: Step = lambda logits: logits.softmax(dim=2),
) -> Function:
    """Equations (3) and (4) without W_o, with one step changed by each argument."""

    def read(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        logits = torch.einsum("bdhw,bdm->bhwm", queries(q), pool_keys(k)).flatten(1, 2)
        a = weigh(scale(q.shape[1]) * logits)
        return torch.einsum("bnm,bcm->bcn", a, pool_values(v)).unflatten(2, q.shape[2:])

    return read


def _by_matrix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p = pooling_matrix(*q.shape[2:]).to(q)
    logits = q.flatten(2).mT @ (k.flatten(2) @ p.T) / q.shape[1] ** 0.5
    return (v.flatten(2) @ (logits.softmax(dim=2) @ p).mT).view_as(v)


READ_ANCHORS = FunctionExercise(
    chapter=CHAPTER,
    name="read_anchors",
    title="Write the reading",
    level=2,
    task="Write `read_anchors(q, k, v)`: queries and keys (b, d, h, w) and values (b, c, h, w) to "
    "what every position reads of the 110 anchors, (b, c, h, w). Keys and values are averaged to "
    "1, 3, 6 and 8 cells a side, logits are divided by the root of d. Nothing is projected.",
    hints=(
        "`F.adaptive_avg_pool2d(k, 3)` gives 3 x 3 means, (b, d, 3, 3).",
        "`torch.cat([F.adaptive_avg_pool2d(k, s).flatten(2) for s in (1, 3, 6, 8)], dim=2)` are "
        "all 110 keys, (b, d, 110). The values go the same way.",
        "Queries stay as they are: `q.flatten(2).mT @ keys` has the shape (b, n, 110).",
        "One softmax over the last axis, then `values @ weights.mT`, and `.view_as(v)`.",
    ),
    explanation="Only keys and values are sampled. The output has as many positions as the input, "
    "because there are as many queries.",
    reference=_read(),
    alternatives=(_by_matrix,),
    cases=(
        Case("plain", _maps(2, 3, 4, 9, 7)),
        Case("the finest cells are pixels", _maps(1, 4, 2, 8, 8)),
        Case("a map smaller than the pyramid", _maps(2, 2, 3, 3, 5)),
        Case("large values", _maps(1, 3, 2, 6, 10, scale=200.0)),
    ),
    properties=(
        Property(
            "what is read lies between the smallest and the largest value",
            lambda given, y: bool(
                (y <= given["v"].amax(dim=(2, 3), keepdim=True) + 1e-6).all()
                and (y >= given["v"].amin(dim=(2, 3), keepdim=True) - 1e-6).all()
            ),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-10),
    misconceptions=(
        Misconception(
            "the largest of each cell",
            "You keep the largest key and value of each cell. An anchor is the mean.",
            _read(pool_keys=_largest, pool_values=_largest),
        ),
        Misconception(
            "unscaled logits",
            "The logits are not divided by the root of d. Here they are, unlike in the plain "
            "non-local block.",
            _read(scale=lambda d: 1.0),
        ),
        Misconception(
            "a softmax for each level",
            "Each level of the pyramid has a softmax of its own, so that it keeps a quarter of the "
            "weight. All 110 anchors share one.",
            _read(weigh=_by_level),
        ),
        Misconception(
            "a softmax over the queries",
            "The weights of an anchor add up to 1. Those of a position do: take the softmax over "
            "the anchors.",
            _read(weigh=lambda logits: logits.softmax(dim=1)),
        ),
        Misconception(
            "sampled queries",
            "You averaged the queries as well. Only keys and values are sampled: this is the "
            "asymmetry.",
            _read(queries=_coarse),
        ),
        Misconception(
            "the finest level alone",
            "Only the 8 x 8 cells are read. The pyramid has the levels 1, 3 and 6 besides.",
            _read(pool_keys=lambda t: anchors(t, (8,)), pool_values=lambda t: anchors(t, (8,))),
        ),
    ),
)

# 2. Noise against signal -----------------------------------------------------------------


def _sizes(low: float, high: float) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        p, s = torch.rand(2, 12, generator=generator, dtype=torch.float64) * (high - low) + low
        return {"p": p, "s": s}

    return draw


@recipe
def _noise(
    *,
    spread: Callable[[Tensor, Tensor], Tensor] = lambda p, s: 0.25 * p / s,
    share: Callable[[Tensor, Tensor], Tensor] = lambda p, s: (p / s).clamp(max=1).square(),
) -> Function:
    def noise(p: Tensor, s: Tensor) -> Tensor:
        return spread(p, s) / share(p, s)

    return noise


NOISE = FunctionExercise(
    chapter=CHAPTER,
    name="noise_to_signal",
    title="Derive: how noisy is an anchor?",
    level=2,
    task="A source of p x p pixels carries a signal of length 1; every pixel carries noise with a "
    "spread of 0.25 p. An anchor is the mean over a cell of s x s pixels, which holds as much of "
    "the source as fits. Write `noise_to_signal(p, s)`: the spread of the anchor's noise over the "
    "length of its signal, number by number.",
    hints=(
        "The mean of s * s independent numbers has a spread that is s times smaller.",
        "If the cell is larger than the source, how much of it is signal? And if it is smaller?",
        "The signal is 1 where s <= p, and p * p / (s * s) where s > p.",
        "Together 0.25 times the larger of p / s and s / p: `0.25 * torch.maximum(p / s, s / p)`.",
    ),
    explanation="The ratio is least at s = p and grows both ways: too small a cell averages too "
    "little, too large a cell takes background in.",
    reference=_noise(),
    alternatives=(lambda p, s: 0.25 * torch.maximum(p / s, s / p),),
    cases=(Case("cells of all sizes", _sizes(1.0, 8.0)), Case("near one pixel", _sizes(0.5, 1.5))),
    tolerance=Tolerance(relative=1e-6, absolute=1e-10),
    misconceptions=(
        Misconception(
            "a signal that is never diluted",
            "Where the cell is larger than the source, the signal is diluted by p * p / (s * s).",
            _noise(share=lambda p, s: torch.ones_like(p)),
        ),
        Misconception(
            "noise that is not averaged",
            "The noise of s * s independent pixels is averaged as well: its spread falls by s.",
            _noise(spread=lambda p, s: 0.25 * p + 0 * s),
        ),
        Misconception(
            "variance in place of spread",
            "The variance of the mean is s * s times smaller, its spread s times.",
            _noise(spread=lambda p, s: 0.25 * p / s.square()),
        ),
        Misconception(
            "sides in place of areas",
            "Signal and background share the area of the cell: p * p pixels of s * s.",
            _noise(share=lambda p, s: (p / s).clamp(max=1)),
        ),
        Misconception(
            "a source larger than itself",
            "Where the cell is smaller than the source, all of it is signal: the share is 1 and "
            "not more.",
            _noise(share=lambda p, s: (p / s).square()),
        ),
    ),
)
