"""Experiments on sampled keys: what a mean over a cell brings, and to things of which size.

``patches`` and ``pixels`` are the twins of the non-local chapter with sources of 4 x 4 pixels and
of one; ``shifted`` moves the patches off the raster of the cells.  ``digits`` is plain
classification, where nothing was arranged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from attncourse.backbones import SmallResNet
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.small_digits import reader, small_digits
from attncourse.experiments.spatial.asymmetric_non_local.nets import Averaged, Picked, Smoothed
from attncourse.experiments.spatial.non_local.experiment import on_twins
from attncourse.experiments.spatial.non_local.nets import pixel_net
from attncourse.spatial import AsymmetricNonLocal, NonLocal
from attncourse.tasks.patch_twins import PatchTwins
from attncourse.training import Budget

_BUDGET = Budget(steps=300, batch_size=32, learning_rate=1e-2, weight_decay=0.01, clip=1.0)
Block = Callable[[int], nn.Module]


def _non_local(c: int) -> nn.Module:
    return NonLocal(c, norm=False)


def _averaged(*sizes: int) -> Block:
    return lambda c: Averaged(c, *sizes)


#: What may stand in the network: name -> role, block, what the comparison shows.
_BLOCKS: dict[str, tuple[str, Block, str]] = {
    "64 pixels": ("plain", _non_local, "the non-local block: every pixel is a key"),
    "16 cells": ("ablation", _averaged(4), "smaller cells, of 2 x 2"),
    "4 cells": ("mechanism", _averaged(2), "means over cells of 4 x 4"),
    "pyramid": ("mechanism", _averaged(1, 2, 4), "cells of 8 x 8, 4 x 4 and 2 x 2, 21 anchors"),
    "4 pixels": ("ablation", lambda c: Picked(c, 4), "as few keys, picked and not averaged"),
    "64 windows": ("ablation", lambda c: Smoothed(c, 4), "as many keys, averaged over 4 x 4"),
}


def _twins(
    name: str, question: str, data: str, task: Callable[[], PatchTwins], *blocks: str, steps: int
) -> Experiment:
    made = []
    for block in blocks:
        role, build, why = _BLOCKS[block]
        made.append(Variant(block, role, pixel_net(build), why))
    budget = replace(_BUDGET, steps=steps)
    return on_twins(name, question, task, data, *made, budget=budget)


PATCHES = _twins(
    "patches",
    "Do fewer anchors read better where a source is as large as a cell?",
    "3 sources of 4 x 4 noisy pixels, in the raster of the cells",
    lambda: PatchTwins(patch=4),
    *_BLOCKS,
    steps=300,
)
PIXELS = _twins(
    "pixels",
    "What do anchors lose where a source is one pixel?",
    "3 sources of one pixel among noisy ones",
    lambda: PatchTwins(patch=1),
    "64 pixels", "16 cells", "4 cells", "pyramid",
    steps=400,
)  # fmt: skip
SHIFTED = _twins(
    "shifted",
    "What is left where the sources do not lie in the raster of the cells?",
    "3 sources of 4 x 4 noisy pixels, shifted as one",
    lambda: PatchTwins(patch=4, shifted=True),
    "64 pixels", "16 cells", "4 cells", "64 windows",
    steps=300,
)  # fmt: skip
DIGITS = small_digits(
    "Does a pyramid of anchors read digits as well as the map of all pairs?",
    Variant("plain", "plain", reader(), "no block"),
    Variant(
        "wider",
        "plain",
        lambda: SmallResNet(widths=(18, 36, 72)),
        "the block's parameters, no block",
    ),
    Variant("non-local", "ablation", reader(NonLocal), "all pixels are keys"),
    Variant(
        "asymmetric",
        "mechanism",
        reader(lambda c: AsymmetricNonLocal(c, sizes=(1, 2, 4))),
        "the released block, 21 anchors",
    ),
)

EXPERIMENTS = (PATCHES, PIXELS, SHIFTED, DIGITS)
