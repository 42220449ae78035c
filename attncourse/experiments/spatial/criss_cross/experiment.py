"""Experiments on criss-cross attention: what its pattern brings, and what its weights.

``beacon`` needs far pixels, ``rooks`` needs to know which pixels share a row or a column.
``twins_in_line`` needs a question for every position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.criss_cross.nets import (
    PlacedNonLocal,
    SmallPixelNet,
    Strips,
    UniformCross,
)
from attncourse.experiments.spatial.non_local.experiment import on_twins
from attncourse.experiments.spatial.non_local.nets import SharedContext, pixel_net
from attncourse.spatial import CrissCross, NonLocal
from attncourse.tasks import beacon, rooks, twin
from attncourse.tasks.placed_twins import PlacedTwins
from attncourse.training import Budget

_BUDGET = Budget(steps=200, batch_size=32, learning_rate=1e-2, weight_decay=0.01, clip=1.0)
Block = Callable[[int], nn.Module]


def _cross(passes: int) -> Block:
    return lambda c: CrissCross(c, 2, recurrence=passes)


def _uniform(passes: int) -> Block:
    return lambda c: UniformCross(c, 2, recurrence=passes)


def _non_local(c: int) -> nn.Module:
    return NonLocal(c, 1, norm=False)


#: What may stand in the network: name -> role, block for a side, what the comparison shows.
_BLOCKS: dict[str, tuple[str, Callable[[int], Block], str]] = {
    "no block": ("plain", lambda side: lambda c: nn.Identity(), "no pixel hears of another"),
    "global context": ("ablation", lambda side: SharedContext, "one answer for all pixels"),
    "non-local": ("ablation", lambda side: _non_local, "all pairs of pixels"),
    "non-local, placed": (
        "ablation",
        lambda side: lambda c: PlacedNonLocal(c, side),
        "all pairs, with a vector for every row and column",
    ),
    "strips": ("ablation", lambda side: lambda c: Strips(c, side), "convolutions along the cross"),
    "strips, twice": ("ablation", lambda side: lambda c: Strips(c, side, 2), "the same, twice"),
    "uniform": ("ablation", lambda side: _uniform(1), "one pass of plain means"),
    "uniform, twice": ("ablation", lambda side: _uniform(2), "two passes of plain means"),
    "one pass": ("ablation", lambda side: _cross(1), "row and column, once"),
    "two passes": ("mechanism", lambda side: _cross(2), "the mechanism"),
}


def _variants(channels: int, outputs: int, side: int, *names: str) -> tuple[Variant, ...]:
    made = []
    for name in names:
        role, block, why = _BLOCKS[name]
        made.append(Variant(name, role, _net(channels, outputs, block(side)), why))
    return tuple(made)


def _net(channels: int, outputs: int, block: Block) -> Callable[[], nn.Module]:
    return lambda: SmallPixelNet(channels, outputs, block)


BEACON = Experiment(
    name="beacon",
    question="Can every pixel hear of the one pixel that knows the answer?",
    task=beacon.Beacon,
    variants=_variants(
        beacon.CHANNELS, 1, 12,
        "no block", "one pass", "two passes", "uniform, twice", "strips, twice", "global context",
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data="one beacon on 12 x 12 pixels, every test image with both signs",
    loss=beacon.sign_loss,
    score=Score(beacon.right_share, bounds=(0.0, 1.0)),
    metric="share of right pixels",
    matters=0.01,
    learned=0.9,
)  # fmt: skip

ROOKS = Experiment(
    name="rooks",
    question="Can a cell tell the rooks of its own row and column from the others?",
    task=rooks.Rooks,
    variants=_variants(
        rooks.CHANNELS, twin.COLOURS, 8,
        "no block", "global context", "non-local", "non-local, placed", "strips", "uniform",
        "one pass", "two passes",
    ),
    quick=replace(_BUDGET, steps=300),
    full=replace(_BUDGET, steps=300),
    data="eight rooks on 8 x 8 cells",
    loss=twin.colour_loss,
    score=Score(rooks.explained_items, bounds=(None, 1.0)),
    metric="share of the answers' variance explained",
    matters=0.02,
)  # fmt: skip


IN_LINE = on_twins(
    "twins_in_line",
    "Can a cell find its twin in its own row or column?",
    lambda: PlacedTwins(6),
    "6 pairs of twins on 8 x 8 cells, in line",
    Variant("no block", "plain", pixel_net(lambda c: nn.Identity()), "no cell hears another"),
    Variant("uniform", "ablation", pixel_net(_uniform(1)), "one pass of plain means"),
    Variant("one pass", "mechanism", pixel_net(_cross(1)), "row and column, once"),
    budget=replace(_BUDGET, steps=400),
)

EXPERIMENTS = (BEACON, ROOKS, IN_LINE)
