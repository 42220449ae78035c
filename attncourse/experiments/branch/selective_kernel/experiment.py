"""What a choice of kernels does for scale and what it follows, and what a gate does for depth.

``scale`` asks whether a choice between two kernels helps to read digits of any size,
``attention_rise`` whether the choice then moves with the size, ``what_moves`` whether it moves as
far where the size stays, ``ink_apart`` whether it follows the size once ink says nothing of it in
training.  ``reach`` asks what two kernels do that are only added.  ``depth`` trains fifty layers
with and without a way around them, ``depth_longer`` with five times the steps.
In all of them the controls matter more than the plain network.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.branch.selective_kernel.nets import (
    ConstantGate,
    DeepNet,
    EvenMixture,
    IdentityStart,
    PlainLayer,
    Shuffled,
    highway,
    selective,
)
from attncourse.experiments.branch.selective_kernel.probes import (
    answers,
    rise,
    units_of_answers,
)
from attncourse.experiments.scores import Score
from attncourse.tasks import digits_task
from attncourse.tasks.object_scale import FreeInk, ObjectScale
from attncourse.training import Budget

_DEPTH_BUDGET = Budget(steps=300, batch_size=64, learning_rate=2e-3)
_SCALE_BUDGET = Budget(steps=300, batch_size=48, learning_rate=1e-2)
_SCALE_DATA = "scikit-learn digits, enlarged to 8 to 20 pixels on a canvas of 24"

_PLAIN = Variant("plain", "plain", lambda: DeepNet(PlainLayer), "no way around the layers")
_HALF_SHUT = tuple(
    Variant(
        f"highway, bias {bias}",
        "ablation",
        partial(highway, float(bias)),
        "a gate that starts between half open and nearly shut",
    )
    for bias in (-2, -3)
)
_CONSTANT = Variant(
    "constant gate",
    "ablation",
    lambda: DeepNet(partial(ConstantGate, gate_bias=-4.0)),
    "sigmoid(-4) of each layer, for every unit and every image",
)
_HIGHWAY = Variant("highway, bias -4", "mechanism", partial(highway, -4.0), "the mechanism")
_IDENTITY = Variant(
    "identity start",
    "ablation",
    lambda: DeepNet(IdentityStart),
    "plain layers that start as the identity: no gate and no way around",
)
_DIGITS = "scikit-learn digits, 1,400 for training, 397 for testing"

DEPTH = Experiment(
    name="depth",
    question="Can fifty layers be trained, and is it the gate that trains them?",
    task=digits_task,
    variants=(
        _PLAIN,
        Variant(
            "highway, bias 0",
            "ablation",
            partial(highway, 0.0),
            "a gate that starts half open, as circulating code has it",
        ),
        *_HALF_SHUT,
        _CONSTANT,
        _HIGHWAY,
        _IDENTITY,
    ),
    quick=_DEPTH_BUDGET,
    full=_DEPTH_BUDGET,
    data=_DIGITS,
    matters=0.01,
)

DEPTH_LONGER = Experiment(
    name="depth_longer",
    question="Do fifty plain layers learn if they get five times the steps?",
    task=digits_task,
    variants=(_PLAIN, _HIGHWAY, _IDENTITY),
    quick=replace(_DEPTH_BUDGET, steps=5 * _DEPTH_BUDGET.steps),
    full=replace(_DEPTH_BUDGET, steps=5 * _DEPTH_BUDGET.steps),
    data=_DIGITS,
    matters=0.01,
)

_EVEN = Variant("even mixture", "plain", partial(selective, EvenMixture), "both, no choice")
_EQUAL = Variant(
    "SK, equal reach",
    "ablation",
    partial(selective, dilations=(1, 1)),
    "a choice between two kernels of the same reach",
)
_SHUFFLED = Variant(
    "SK, shuffled",
    "ablation",
    partial(selective, Shuffled),
    "each image gets the weights that were made for another",
)

_SELECTIVE = Variant("SK", "mechanism", selective, "the mechanism")
_PAPER_SIZES = Variant(
    "SK, 16 groups, d = 32",
    "ablation",
    partial(selective, groups=16, min_hidden=32),
    "the paper's least hidden width, and as many groups as 16 channels allow",
)
_ONE = Variant(
    "one 3x3 kernel",
    "plain",
    partial(selective, EvenMixture, (1,)),
    "half of the branches' weights",
)

REACH = Experiment(
    name="reach",
    question="Is it the larger reach that a second branch brings, or the branch?",
    task=ObjectScale,
    variants=(
        _EVEN,
        _ONE,
        Variant(
            "one 3x3, dilated",
            "ablation",
            partial(selective, EvenMixture, (2,)),
            "the larger reach alone",
        ),
        Variant(
            "two 3x3 kernels",
            "ablation",
            partial(selective, EvenMixture, (1, 1)),
            "as many weights, no larger reach",
        ),
        _SELECTIVE,
    ),
    quick=_SCALE_BUDGET,
    full=_SCALE_BUDGET,
    data=_SCALE_DATA,
    matters=0.005,
)

SCALE = Experiment(
    name="scale",
    question="Does a choice between two kernels help to read digits of any size?",
    task=ObjectScale,
    variants=(
        _EVEN,
        _ONE,
        _SHUFFLED,
        _EQUAL,
        _SELECTIVE,
    ),
    quick=_SCALE_BUDGET,
    full=_SCALE_BUDGET,
    data=_SCALE_DATA,
    matters=0.005,
)

ATTENTION_RISE = Experiment(
    name="attention_rise",
    question="Does the weight of the larger kernel rise with the size of the digit?",
    task=ObjectScale,
    variants=(_EVEN, _EQUAL, _SELECTIVE),
    quick=_SCALE_BUDGET,
    full=_SCALE_BUDGET,
    data=_SCALE_DATA,
    matters=0.05,
    score=Score(rise, bounds=(-2.0, 2.0), units=ObjectScale.enlarged_units),
    metric="rise of the second branch's weight over the first's, from 8 to 20 pixels",
)

WHAT_MOVES = Experiment(
    name="what_moves",
    question="Does the weight move with the size of the digit, or with what there is to see?",
    task=ObjectScale,
    variants=(
        Variant(
            "SK, equal reach",
            "plain",
            partial(selective, dilations=(1, 1)),
            "a choice in which no branch has the larger reach",
        ),
        Variant(
            "SK, mean readout",
            "ablation",
            partial(selective, readout="mean"),
            "the paper's average pooling before the last layer, where ours takes the maximum",
        ),
        _PAPER_SIZES,
        _SELECTIVE,
    ),
    quick=_SCALE_BUDGET,
    full=_SCALE_BUDGET,
    data="400 test digits of 8 pixels before and after six changes",
    matters=0.05,
    score=Score(answers, bounds=(-2.0, 2.0), units=units_of_answers),
    metric="change of the second branch's weight less the first's, mean over six changes",
)

INK_APART = replace(
    WHAT_MOVES,
    name="ink_apart",
    question="Does the weight follow the size if ink says nothing of it in training?",
    task=FreeInk,
)

EXPERIMENTS = (DEPTH, DEPTH_LONGER, REACH, SCALE, ATTENTION_RISE, WHAT_MOVES, INK_APART)
