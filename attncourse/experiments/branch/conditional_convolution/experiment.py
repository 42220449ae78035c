"""What mixed kernels do in four worlds, and what the routing sees of them.

``worlds`` asks whether kernels that are mixed for each image read digits in four styles better than
one kernel does, and takes away one property after the other: the look at the own image, the look at
any image, the learned routing, the parameters, the multiply-adds.  ``longer`` gives the strongest
rivals and the mechanisms four times the steps.  ``routing`` measures by how much a turn and an
inversion move the weights, layer by layer.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.branch.conditional_convolution.nets import (
    SameForAll,
    SharedNet,
    Shuffled,
    StyleNet,
    WorldNet,
    dynamic,
    gated,
    of_kind,
    routed,
    static_first,
)
from attncourse.experiments.branch.conditional_convolution.probes import (
    answers,
    units_of_answers,
)
from attncourse.experiments.scores import Score
from attncourse.tasks.four_worlds import FourWorlds
from attncourse.training import Budget

_STEPS = 1_000
_BUDGET = Budget(steps=_STEPS, batch_size=64, learning_rate=1e-2)
_LONGER = replace(_BUDGET, steps=4 * _STEPS)
_DATA = "scikit-learn digits in four styles"

_STATIC = Variant("static", "plain", WorldNet, "one kernel for all images")
_COMPUTE = Variant(
    "static, equal compute",
    "ablation",
    partial(WorldNet, widths=(3, 4, 6)),
    "a filter more, for about CondConv's multiply-adds",
)
_PARAMETERS = Variant(
    "static, equal parameters",
    "ablation",
    partial(WorldNet, widths=(6, 6, 10)),
    "a wider network of CondConv's size",
)
_SHUFFLED = Variant(
    "shuffled",
    "ablation",
    partial(WorldNet, of_kind(Shuffled)),
    "each image gets the weights that were made for another, in training too",
)
_CONDCONV = Variant("CondConv", "mechanism", partial(WorldNet, routed), "the mechanism")
_DYNAMIC = Variant(
    "dynamic",
    "mechanism",
    partial(WorldNet, dynamic(1.0)),
    "the same with a softmax behind two layers, at temperature 1",
)

_HOT = Variant(
    "dynamic, hot",
    "ablation",
    partial(WorldNet, dynamic(30.0)),
    "the temperature stays at 30",
)

WORLDS = Experiment(
    name="worlds",
    question="Do kernels that are mixed for each image help in four worlds?",
    task=partial(FourWorlds, told=True),
    variants=(
        _STATIC,
        _COMPUTE,
        _PARAMETERS,
        Variant(
            "SE", "ablation", partial(WorldNet, gated), "gates on channels in place of kernels"
        ),
        Variant(
            "told the style",
            "ablation",
            partial(WorldNet, sees_style=True),
            "a static network that sees the style as four more channels",
        ),
        Variant(
            "same for all",
            "ablation",
            partial(WorldNet, of_kind(SameForAll)),
            "four kernels, mixed alike for all images: one static kernel",
        ),
        _SHUFFLED,
        Variant(
            "by true style", "ablation", StyleNet, "a kernel for each style, chosen by the truth"
        ),
        _CONDCONV,
        _DYNAMIC,
        _HOT,
        Variant(
            "dynamic, annealed",
            "ablation",
            partial(WorldNet, dynamic(30.0), anneal=3 * _STEPS // 10),
            "from 30 to 1 over the first three tenths of the steps",
        ),
        Variant(
            "CondConv, one routing",
            "ablation",
            SharedNet,
            "one routing vector for all layers, as the authors share it within a block",
        ),
        Variant(
            "dynamic, static first",
            "ablation",
            partial(WorldNet, static_first),
            "the layer that sees the image has one kernel",
        ),
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data=_DATA,
    matters=0.01,
)

LONGER = Experiment(
    name="longer",
    question="What is left with four times the steps?",
    task=partial(FourWorlds, told=True),
    variants=(_STATIC, _COMPUTE, _PARAMETERS, _CONDCONV, _DYNAMIC),
    quick=_LONGER,
    full=_LONGER,
    data=_DATA,
    matters=0.01,
)

ROUTING = Experiment(
    name="routing",
    question="Does the routing see a turn, and does it see an inversion?",
    task=FourWorlds,
    variants=(
        replace(_SHUFFLED, role="plain"),
        _HOT,
        _DYNAMIC,
        _CONDCONV,
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data="400 test digits before and after a turn and an inversion",
    matters=0.01,
    score=Score(answers, bounds=(0.0, 1.0), units=units_of_answers),
    metric="change of a kernel's weight, mean over kernels, layers and two changes",
)

EXPERIMENTS = (WORLDS, LONGER, ROUTING)
