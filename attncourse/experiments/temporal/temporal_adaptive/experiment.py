"""Experiments on TAM: one that its kernels decide, and one that its gates answer.

``run_backwards`` leaves out two of eight kinds of clip in training, and asks for them in the test.
``before_the_flash`` asks for what stood before a mark in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.comparisons import Comparison, compare
from attncourse.experiments.results import Results
from attncourse.experiments.summaries import Scale, SeedScores
from attncourse.experiments.temporal.temporal_adaptive.nets import (
    Between,
    ClipNet,
    FixedKernels,
    FreeKernels,
    Gates,
    Kernels,
    KernelsFromAll,
    MirroredKernels,
    MixedKernels,
    ShiftAndGate,
    TimeGate,
    both,
    nothing,
    two_convolutions,
)
from attncourse.tasks.before_the_flash import BeforeTheFlash
from attncourse.tasks.run_backwards import RunBackwards
from attncourse.training import Budget

BUDGET = Budget(steps=500, batch_size=32, learning_rate=5e-3)
#: The least difference that would matter, in both experiments.
MATTERS = 0.05


def _variant(name: str, role: str, between: Between, why: str, **options: Any) -> Variant:
    return Variant(name, role, partial(ClipNet, between, **options), why)


_NONE = _variant("frames apart", "plain", nothing, "no layer sees two frames together")
_FIXED = _variant("fixed kernels", "plain", FixedKernels, "one learned kernel for each channel")
_TWO = _variant(
    "two layers, wide",
    "plain",
    two_convolutions,
    "two convolutions over time, twice the channels and a hidden layer before the answer",
    channels=24,
    hidden=32,
)
_GATES = _variant("gates", "ablation", Gates, "the local branch alone")
_KERNELS = _variant("kernels", "ablation", Kernels, "the global branch alone")
_TAM = _variant("TAM", "mechanism", both, "gates, then kernels")

RUN_BACKWARDS = Experiment(
    name="run_backwards",
    question="Which way did the spot move, where a fading light says that the film runs backwards?",
    task=RunBackwards,
    variants=(
        _FIXED,
        _NONE,
        _variant(
            "mirrored fixed kernels",
            "plain",
            MirroredKernels,
            "one learned kernel (a, b, a) for each channel, of any sign",
        ),
        _variant(
            "fixed kernels from one third",
            "plain",
            partial(FixedKernels, third=True),
            "fixed kernels whose taps all start at 1/3",
        ),
        _variant(
            "fixed shares",
            "plain",
            partial(FixedKernels, averaging=True),
            "one kernel for each channel whose taps are shares of one",
        ),
        _TWO,
        _variant(
            "shift and gate",
            "plain",
            ShiftAndGate,
            "channels moved by a frame, and a gate for each channel from all profiles",
        ),
        _variant(
            "mixed kernels",
            "plain",
            MixedKernels,
            "four free kernels for each channel, mixed for each clip",
        ),
        _variant(
            "kernels from all",
            "ablation",
            KernelsFromAll,
            "kernels of shares from all profiles together, by layers of their own",
        ),
        _GATES,
        _KERNELS,
        _variant(
            "kernels, no softmax",
            "ablation",
            FreeKernels,
            "the global branch with taps of any sign",
        ),
        _variant(
            "kernels, told",
            "ablation",
            Kernels,
            "the global branch, where the answer also gets the brightness of every frame",
            told=True,
            hidden=32,
        ),
        _variant(
            "kernels, hidden",
            "ablation",
            Kernels,
            "the same answer with a hidden layer, and no brightness",
            hidden=32,
        ),
        _TAM,
    ),
    quick=BUDGET,
    full=BUDGET,
    data="run backwards: 6 frames of 6 x 6, six kinds of clip trained, two left out",
    matters=MATTERS,
)

BEFORE_THE_FLASH = Experiment(
    name="before_the_flash",
    question="Which figure stood in the frame just before the bright one?",
    task=BeforeTheFlash,
    variants=(
        _FIXED,
        _NONE,
        _variant("gate of frames", "plain", TimeGate, "one gate for each frame, from all profiles"),
        _GATES,
        _KERNELS,
        _TAM,
    ),
    quick=BUDGET,
    full=BUDGET,
    data="before the flash: 6 frames of 6 x 6, drawn anew",
    matters=MATTERS,
)

EXPERIMENTS = (RUN_BACKWARDS, BEFORE_THE_FLASH)


def by_kind(
    results: Results, *, new: bool, against: str = "fixed kernels", variants: Sequence[str] = ()
) -> Comparison:
    """``run_backwards`` on one half of its test clips: the kinds left out, or those trained.

    Args:
        results: the recorded runs.
        new: whether the kinds that training left out.
        against: the variant that the others are compared with.
        variants: which to take, by default all.
    """
    chosen = RunBackwards().is_new().numpy() == new
    name = RUN_BACKWARDS.name
    roles = {v.name: v.role for v in RUN_BACKWARDS.variants}
    scores = {}
    for variant in variants or [v.name for v in RUN_BACKWARDS.variants]:
        whole = results.values(name, variant)
        items = {seed: found[chosen] for seed, found in whole.by_item.items()}
        means = {seed: float(np.mean(found)) for seed, found in items.items()}
        units = np.arange(int(chosen.sum()))
        scores[variant] = SeedScores(means, Scale((0.0, 1.0), MATTERS), items, units)
    return compare(
        scores,
        against=against,
        base=scores[against],
        roles=roles,
        metric="accuracy on kinds left out" if new else "accuracy on kinds trained",
        title=f"{RUN_BACKWARDS.data}, {BUDGET.steps:,} steps",
    )
