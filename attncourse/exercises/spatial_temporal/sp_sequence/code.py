"""Exercises on SpSequenceNet that ask for a function: the gates, and what stood there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "spatial_temporal/sp_sequence"
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The gates ----------------------------------------------------------------------------


def _points(b: int, c: int, n: int, dtype: torch.dtype = torch.float32) -> Draw:
    """Draws the frame before and the two layers."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        return {"p": 2 * normal(b, c, n), "w1": normal(c, c), "w2": normal(c, c)}

    return draw


@recipe
def _gated(
    *,
    early: bool = False,
    late: bool = False,
    summed: bool = False,
    largest: bool = False,
    shared: bool = False,
    linear: bool = False,
    ungated: bool = False,
    apart: bool = False,
    turned: bool = False,
    half_turned: bool = False,
    swapped: bool = False,
    rectified: bool = False,
    moved: bool = False,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Equation (1) without its normalisation, with one step changed by each argument."""

    def gates(p: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
        first, second = (w2, w1) if swapped else (w1, w2)
        first = first.T if turned else first
        second = second.T if turned or half_turned else second
        p = p.mean(dim=2, keepdim=True) if early else p
        units = first @ p
        scores = second @ (units if linear or moved else units.relu())
        scores = scores.relu() if rectified or moved else scores
        if late:
            return torch.sigmoid(scores).mean(dim=2)
        pooled = (
            scores.sum(dim=2) if summed
            else scores.amax(dim=2) if largest
            else scores.mean(dim=2)
        )  # fmt: skip
        pooled = pooled.mean(dim=0, keepdim=True).expand_as(pooled) if shared else pooled
        if ungated:
            return pooled
        return pooled.softmax(dim=1) if apart else torch.sigmoid(pooled)

    return gates


GATE = FunctionExercise(
    chapter=CHAPTER,
    name="gate",
    title="Gate from the frame before",
    level=1,
    task="Write `gates_from_before(p, w1, w2)`: equation (1) without the normalisation, from the "
    "points before p, (b, c, n), and W₁, W₂, (c, c), to the gates s, (b, c).",
    hints=(
        "Both layers work on each point alone: `w1 @ p` is (b, c, n).",
        "A ReLU stands between the layers, and the mean over the points behind them.",
        "The sigmoid comes last, behind the mean.",
    ),
    explanation="The ReLU stands in front of the mean, so that the mean is taken of what each "
    "point says; the sigmoid stands behind it, so that a frame decides and not a point.",
    reference=_gated(),
    cases=(
        Case("plain", _points(3, 4, 6)),
        Case("as many points as channels", _points(2, 5, 5)),
        Case("one scene", _points(1, 3, 7)),
        Case("double precision", _points(2, 4, 3, dtype=torch.float64)),
    ),
    properties=(
        Property("every gate lies from 0 to 1", lambda _, s: bool(((s >= 0) & (s <= 1)).all())),
    ),
    misconceptions=(
        Misconception(
            "the mean in front of the layers",
            "You take the mean of the points first. Each point goes through the layers by itself; "
            "behind a ReLU the two differ.",
            _gated(early=True),
        ),
        Misconception(
            "a sigmoid for every point",
            "You take the mean of sigmoids. The sigmoid stands behind the mean.",
            _gated(late=True),
        ),
        Misconception(
            "a sum over points",
            "This is a sum over the points. With a mean, a frame of more points is no louder.",
            _gated(summed=True),
        ),
        Misconception(
            "the largest point",
            "You take the largest score of all points. Equation (1) takes their mean.",
            _gated(largest=True),
        ),
        Misconception(
            "one gate for the batch",
            "The mean runs over the points of each scene, and not over the scenes.",
            _gated(shared=True),
        ),
        Misconception(
            "a lost ReLU",
            "Between the layers stands a ReLU. Without it the points count by their mean alone.",
            _gated(linear=True),
        ),
        Misconception(
            "no sigmoid", "These are scores. A sigmoid makes gates of them.", _gated(ungated=True)
        ),
        Misconception(
            "channels that compete",
            "You take a softmax over the channels. Every gate is a sigmoid of its own score.",
            _gated(apart=True),
        ),
        Misconception(
            "layers turned around",
            "Row d of W₁ makes unit d: multiply by w1 from the left, and not by its transpose.",
            _gated(turned=True),
        ),
        Misconception(
            "the second layer turned around",
            "W₁ is right. Multiply by w2 from the left, too, and not by its transpose.",
            _gated(half_turned=True),
        ),
        Misconception(
            "layers in the other order",
            "W₁ comes first, and W₂ behind the ReLU; yours are exchanged.",
            _gated(swapped=True),
        ),
        Misconception(
            "a ReLU behind the second layer",
            "The ReLU stands between the layers. Behind W₂ it makes all scores positive, and no "
            "gate can fall below one half.",
            _gated(rectified=True),
            also=(_gated(moved=True),),
        ),
    ),
)

# 2. What stood there ---------------------------------------------------------------------


def _clouds(b: int, c: int, n: int, m: int, k: int, dtype: torch.dtype = torch.float32) -> Draw:
    """Draws positions of both frames, features of the one before, k and a radius."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        def uniform(*shape: int) -> Tensor:
            return 2 * torch.rand(shape, generator=generator, dtype=dtype) - 1

        p = torch.randn(b, c, m, generator=generator, dtype=dtype)
        return {
            "now": uniform(b, n, 3), "before": uniform(b, m, 3), "p": p, "k": k, "radius": 1.2,
        }  # fmt: skip

    return draw


@recipe
def _stood(
    *,
    normalised: bool = False,
    alike: bool = False,
    doubled: bool = False,
    halved: bool = False,
    squared: bool = False,
    unclipped: bool = False,
    everyone: bool = False,
    one: bool = False,
    far: bool = False,
    grows: bool = False,
    softened: bool = False,
    inverted: bool = False,
    averaged: bool = False,
) -> Callable[[Tensor, Tensor, Tensor, int, float], Tensor]:
    """Equations (3) and (4), with one step changed by each argument."""

    def stood(now: Tensor, before: Tensor, p: Tensor, k: int, radius: float) -> Tensor:
        d = torch.linalg.vector_norm(now[:, :, None] - before[:, None], dim=3)
        count = before.shape[1] if everyone else 1 if one else k
        d, index = d.topk(count, dim=2, largest=far)
        d = d.square() if squared else d
        reach = radius / 2 if halved else radius
        w = 0.5 - (d / (2 * reach) if unclipped else (d / (2 * reach)).clamp(max=0.5))
        w = 0.5 - w if grows else w
        w = torch.full_like(w, 0.5) if alike else 2 * w if doubled else w
        w = w / w.sum(dim=2, keepdim=True).clamp(min=1e-6) if normalised else w
        w = w.softmax(dim=2) if softened else 1 / (d + 1e-8) if inverted else w
        w = w / w.sum(dim=2, keepdim=True) if inverted and normalised else w
        w = w / k if averaged else w
        near = torch.stack([own[:, i] for own, i in zip(p, index, strict=True)])  # b c n k
        return (w[:, None] * near).sum(dim=3)

    return stood


STOOD = FunctionExercise(
    chapter=CHAPTER,
    name="stood",
    title="Read what stood there",
    level=2,
    task="Write `stood_there(now, before, p, k, radius)`: equations (3) and (4), from the "
    "positions now, (b, n, 3), and before, (b, n', 3), the features before p, (b, c, n'), the "
    "number k of neighbours and the radius, to q, (b, c, n).",
    hints=(
        "`torch.cdist(now, before)` has all distances, (b, n, n').",
        "`topk(k, dim=2, largest=False)` gives the k smallest and where they are.",
        "The weight is 0.5 less the distance over 2 radius, and never below 0. Gather the features "
        "of the neighbours, multiply and add up; no division by the sum of the weights.",
    ),
    explanation="The weights fall to 0 at the radius and are not divided by their sum, so that q "
    "is 0 where nothing stood.",
    reference=_stood(),
    cases=(
        Case("plain", _clouds(2, 3, 5, 6, 3)),
        Case("one neighbour", _clouds(2, 3, 4, 5, 1)),
        Case("as many before as channels", _clouds(2, 4, 4, 4, 2)),
        Case("double precision", _clouds(1, 2, 6, 7, 3, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "weights divided by their sum",
            "You divide the weights by their sum. Equation (4) does not, so that q fades where "
            "nothing is near.",
            _stood(normalised=True),
        ),
        Misconception(
            "weights all alike",
            "All your neighbours weigh one half. The weight falls with the distance, (3).",
            _stood(alike=True),
        ),
        Misconception(
            "weights up to one",
            "Your weights are twice as large: a point that coincides weighs one half.",
            _stood(doubled=True),
        ),
        Misconception(
            "half of the radius",
            "Your weights reach 0 at half of the radius: divide the distance by 2 radius.",
            _stood(halved=True),
        ),
        Misconception(
            "squared distances",
            "You use the squared distance in the weight. A cone falls with the distance itself.",
            _stood(squared=True),
        ),
        Misconception(
            "weights below zero",
            "Beyond the radius your weights are negative. They stay at 0.",
            _stood(unclipped=True),
        ),
        Misconception(
            "all points within the radius",
            "You add up all points within the radius. Only the k nearest count.",
            _stood(everyone=True),
        ),
        Misconception(
            "the nearest alone",
            "You read one neighbour. Equation (4) adds up k of them.",
            _stood(one=True),
        ),
        Misconception(
            "the farthest points",
            "You take the k farthest points: `topk` needs `largest=False` for distances.",
            _stood(far=True),
        ),
        Misconception(
            "weights that grow",
            "Your weights grow with the distance. Take them from one half.",
            _stood(grows=True),
        ),
        Misconception(
            "a softmax of the weights",
            "You take a softmax over the neighbours. The weights of (3) are used as they are.",
            _stood(softened=True),
        ),
        Misconception(
            "one over the distance",
            "You weigh by one over the distance. Equation (3) is a cone: one half less d over 2 "
            "radius.",
            _stood(inverted=True),
            also=(_stood(inverted=True, normalised=True),),
        ),
        Misconception(
            "a mean over the neighbours",
            "You divide by k. Equation (4) adds the neighbours up and divides by nothing: yours "
            "is k times too small.",
            _stood(averaged=True),
        ),
    ),
)
