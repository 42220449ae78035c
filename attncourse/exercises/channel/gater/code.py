"""Exercises on GaterNet that ask for a function: the gates, and a layer that skips filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.gater import discretise, saturating_sigmoid
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/gater"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The gates ----------------------------------------------------------------------------


def _scores(b: int, k: int, *, hard: str = "some") -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        coin = torch.arange(b)[:, None] % 2 == 0
        which = {"some": coin, "all": coin | True, "none": coin & False}[hard]
        return {"tau": 1.5 * randn(b, k), "noise": randn(b, k), "hard": which}

    return draw


def _through(noisy: Tensor, soft: Tensor) -> Tensor:
    return (noisy > 0).to(soft) + (soft - soft.detach())


@recipe
def _gates(
    *,
    add: Callable[[Tensor, Tensor], Tensor] = lambda tau, noise: tau + noise,
    squash: Callable[[Tensor], Tensor] = saturating_sigmoid,
    threshold: Callable[[Tensor, Tensor], Tensor] = _through,
    compared: Callable[[Tensor, Tensor], Tensor] | None = None,
    choose: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.where,
) -> Function:
    """Equations (4) to (6), with one step changed by each argument."""

    def gates(tau: Tensor, noise: Tensor, hard: Tensor) -> Tensor:
        noisy = add(tau, noise)
        soft = squash(noisy)
        seen = noisy if compared is None else compared(tau, noise)
        return choose(hard, threshold(seen, soft), soft)

    return gates


def _by_the_package(tau: Tensor, noise: Tensor, hard: Tensor) -> Tensor:
    """The package's own."""
    return discretise(tau, noise, hard)


def _with_factors(tau: Tensor, noise: Tensor, hard: Tensor) -> Tensor:
    """The same with a factor of 0 or 1 in place of ``torch.where``."""
    soft = saturating_sigmoid(tau + noise)
    step = (tau + noise > 0).to(soft)
    return soft + hard.to(soft) * (step - soft).detach()


GATES = FunctionExercise(
    chapter=CHAPTER,
    name="gates",
    title="Write the gates of training",
    level=2,
    task="Write `gates(tau, noise, hard)`: from scores and noise, (b, k), and `hard`, (b, 1) of "
    "True and False, to gates (b, k). An image where hard is True gets gates of 0 and 1 whose "
    "slope is that of the soft gates; the others get the soft gates of equations (4) and (5).",
    hints=(
        "First the soft gates: 1.2 times the sigmoid of tau + noise, less 0.1, cut to 0 ... 1.",
        "A value with another slope: `value + (soft - soft.detach())`. The bracket is zero, and "
        "its slope is that of soft.",
        "`torch.where(hard, through, soft)` takes rows of either.",
    ),
    explanation="Values go forward as 0 and 1, slopes come back as if the gates had been soft.",
    reference=_gates(),
    alternatives=(_by_the_package, _with_factors),
    cases=(
        Case("hard and soft images", _scores(6, 5)),
        Case("all hard", _scores(4, 6, hard="all")),
        Case("all soft", _scores(4, 6, hard="none")),
        Case("one image", _scores(1, 8)),
    ),
    properties=(
        Property("every gate lies from 0 to 1", lambda _, s: bool(((s >= 0) & (s <= 1)).all())),
    ),
    gradients=("tau",),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "a plain sigmoid",
            "A plain sigmoid never reaches 0 or 1. Stretch it by 1.2, shift it by 0.1, and cut.",
            _gates(squash=torch.sigmoid),
        ),
        Misconception(
            "ends that are not cut off",
            "Stretched to (-0.1, 1.1), the gates must be cut to 0 ... 1.",
            _gates(squash=lambda v: 1.2 * torch.sigmoid(v) - 0.1),
        ),
        Misconception(
            "a lost noise",
            "The noise is added to the scores before both, the soft gates and the threshold.",
            _gates(add=lambda tau, noise: tau),
        ),
        Misconception(
            "a threshold on the bare scores",
            "The threshold sees the noisy scores: without noise a gate near zero would always "
            "fall on the same side.",
            _gates(compared=lambda tau, noise: tau),
        ),
        Misconception(
            "hard and soft exchanged",
            "Where hard is True the gates are 0 and 1.",
            _gates(choose=lambda hard, one, two: torch.where(hard, two, one)),
        ),
        Misconception(
            "hard gates for all",
            "Images where hard is False keep their soft gates.",
            _gates(choose=lambda hard, one, two: one),
        ),
    ),
)

# 2. A layer that skips -------------------------------------------------------------------


def _layer(a: int, o: int, live: float, on: float, h: int = 4, w: int = 5) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def some(count: int, share: float) -> Tensor:
            chosen = torch.rand(count, generator=generator) < share
            one = int(torch.randint(count, (), generator=generator))
            chosen[one] = True
            if share < 1:
                chosen[one - 1] = False
            return chosen

        before, after = some(a, live), some(o, on)
        shape = int(before.sum()), h, w
        return {
            "maps": torch.randn(shape, generator=generator, dtype=torch.float64),
            "kernels": torch.randn(o, a, 3, 3, generator=generator, dtype=torch.float64),
            "live": before,
            "on": after,
        }

    return draw


@recipe
def _skip(
    *,
    rows: Callable[[Tensor, Tensor], Tensor] = lambda kernels, on: kernels[on],
    columns: Callable[[Tensor, Tensor], Tensor] = lambda kernels, live: kernels[:, live],
    padding: int = 1,
    finish: Callable[[Tensor], Tensor] = lambda y: y,
) -> Function:
    """The kernels that run, with one step changed by each argument."""

    def skip(maps: Tensor, kernels: Tensor, live: Tensor, on: Tensor) -> Tensor:
        kept = columns(rows(kernels, on), live)
        return finish(F.conv2d(maps[None], kept, padding=padding)[0])

    return skip


def _first(kernels: Tensor, mask: Tensor) -> Tensor:
    return kernels[: int(mask.sum())]


SKIP = FunctionExercise(
    chapter=CHAPTER,
    name="skip",
    title="Extend: skip what is off",
    level=3,
    task="Write `skip(maps, kernels, live, on)`: one layer that computes only what counts. `maps`, "
    "(n, h, w), are the maps of the n filters of the layer before that are on; `live`, (a,) of "
    "True and False, says which of its a filters these are; `kernels` is (o, a, 3, 3), and `on`, "
    "(o,), says which of the o filters are on. Return their maps, (number on, h, w), with zeros "
    "outside the image, before normalisation and ReLU.",
    hints=(
        "A filter that is off needs no row of `kernels`, a map that is zero no column.",
        "`kernels[on][:, live]` has as many rows as filters are on and as many columns as maps.",
        "`F.conv2d` wants a batch: `F.conv2d(maps[None], kept, padding=1)[0]`.",
    ),
    explanation="Rows and columns go at once, so that the cost is the product of both shares.",
    reference=_skip(),
    alternatives=(
        lambda maps, kernels, live, on: torch.einsum(
            "oapq,aphqw->ohw",
            kernels[on][:, live],
            F.pad(maps, (1, 1, 1, 1))
            .unfold(1, maps.shape[1], 1)
            .unfold(2, maps.shape[2], 1)
            .movedim((3, 4), (2, 4)),
        ),
    ),
    products=lambda given: (
        int(given["on"].sum()) * int(given["live"].sum()) * 9 * given["maps"][0].numel()
    ),
    saved_by="Filters that are off were computed as well, or maps that are zero read: take the "
    "rows and columns that count before the convolution.",
    cases=(
        Case("about half of each", _layer(6, 8, 0.5, 0.5)),
        Case("all on", _layer(4, 3, 1.1, 1.1)),
        Case("few on", _layer(8, 8, 0.1, 0.1)),
        Case("few before", _layer(8, 4, 0.1, 0.8, h=3, w=3)),
        Case("one on", _layer(4, 5, 0.6, -1)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "the first rows",
            "You took as many rows as filters are on, but the first ones. Take those that `on` "
            "names.",
            _skip(rows=_first),
        ),
        Misconception(
            "the first columns",
            "You took as many columns as there are maps, but the first ones. Take those that "
            "`live` names: every map has its own taps.",
            _skip(columns=lambda kernels, live: kernels[:, : int(live.sum())]),
        ),
        Misconception(
            "no zeros outside",
            "The maps keep their size: pad by 1.",
            _skip(padding=0),
        ),
        Misconception(
            "a ReLU too early",
            "Normalisation and ReLU come later: leave the negative values.",
            _skip(finish=torch.relu),
        ),
        Misconception(
            "filters that are off kept",
            "Rows of filters that are off were computed as well: that is what skipping saves.",
            _skip(rows=lambda kernels, on: kernels),
        ),
        Misconception(
            "an axis too many taken away",
            "Where a single filter is on, `squeeze()` takes its axis away as well. Take away the "
            "axis of the batch alone: `[0]` or `squeeze(0)`.",
            _skip(finish=torch.squeeze),
        ),
        Misconception(
            "a mean over taps",
            "Nothing is divided by the number of maps: a map that is off adds zero.",
            _skip(finish=lambda y: y / 9),
        ),
    ),
)
