"""What a gater brings to three layers of sixteen filters that read digits in four styles.

``filters`` asks whether it helps that each image has filters of its own, and sets beside GaterNet
ordinary networks with as many multiply-adds or parameters, masks that see no image, gates of
another image, gates that are never off, and the gater as a classifier.  It has two gaters, one
that reads digits well by itself and one that does not, and follows the penalty.  ``gates``
counts the open gates of trained networks, filter by filter, and gives them the gates of other
images.

The recipe was chosen with seeds 0 and 10, on another draw of test images.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.gater.nets import (
    WEAK,
    WIDTHS,
    Another,
    Excited,
    FilterNet,
    GaterAlone,
    SigmoidGates,
    StaticMask,
    gated,
    loss,
    ordinary,
)
from attncourse.experiments.channel.gater.probes import looked_into, units_looked_into
from attncourse.experiments.scores import Score
from attncourse.tasks.four_worlds import FourWorlds
from attncourse.training import Budget

_BUDGET = Budget(steps=800, batch_size=64, learning_rate=1e-2)
_SHARED: dict[str, Any] = {
    "task": FourWorlds,
    "quick": _BUDGET,
    "full": _BUDGET,
    "data": "scikit-learn digits in four styles",
    "loss": loss,
    "matters": 0.01,
    "learned": 0.2,
}
#: The penalty of the main comparison, and those of the curve.
LAMBDA, LAMBDAS = 0.3, (0.0, 0.1, 0.3)
#: The penalty under which a mask that sees no image keeps about as many filters.
LAMBDA_OF_MASK = 2.0
#: Filters in a layer of the ordinary networks on the curve.
NARROWER = (12, 9, 5, 4)

_ALL = Variant("all filters", "plain", ordinary(*WIDTHS), "48 filters, without gates")
_GATER = Variant("GaterNet", "mechanism", gated(LAMBDA), "the mechanism")
_WEAK = Variant("weak gater", "mechanism", gated(LAMBDA, **WEAK), "a gater of a few filters")
_MASK = Variant(
    "static mask",
    "ablation",
    partial(FilterNet, StaticMask, penalty=LAMBDA_OF_MASK),
    "gates learned in the same way, the same for all images",
)
_ANOTHER = Variant(
    "another image's",
    "ablation",
    partial(FilterNet, Another, penalty=LAMBDA),
    "gates made for another image, in training too",
)
_SIGMOID = Variant(
    "sigmoid gates",
    "ablation",
    partial(FilterNet, SigmoidGates, penalty=LAMBDA),
    "gates between 0 and 1, none of which is ever off",
)
_CURVE = tuple(
    Variant(f"λ = {value:g}", "mechanism", gated(value), "a penalty on open gates")
    for value in LAMBDAS
    if value != LAMBDA
)

FILTERS = Experiment(
    name="filters",
    question="Does it help that each image has filters of its own?",
    variants=(
        _ALL,
        *(
            Variant(f"{width} a layer", "plain", ordinary(width, width, width), "narrower")
            for width in NARROWER
        ),
        Variant("5, 5, 6", "plain", ordinary(5, 5, 6), "narrower, at GaterNet's multiply-adds"),
        Variant("as many parameters", "plain", ordinary(19, 19, 20), "a wider network"),
        Variant("SE", "plain", partial(FilterNet, Excited), "all filters, SE's gates behind them"),
        _MASK,
        _ANOTHER,
        _SIGMOID,
        Variant("gater alone", "plain", GaterAlone, "the gater answers, without a second look"),
        Variant(
            "gater alone, large",
            "plain",
            partial(GaterAlone, (20, 32), 32),
            "the same with about GaterNet's parameters",
        ),
        Variant(
            "weak gater alone",
            "plain",
            partial(GaterAlone, WEAK["gater_widths"], WEAK["bottleneck"]),
            "a gater of a few filters answers",
        ),
        _WEAK,
        *_CURVE,
        _GATER,
    ),
    **_SHARED,
)

GATES = Experiment(
    name="gates",
    question="How many gates are open, and whose gates does an image need?",
    variants=(replace(_MASK, role="plain"), _ANOTHER, _WEAK, *_CURVE, _GATER),
    score=Score(looked_into, bounds=(0.0, 1.0), units=units_looked_into),
    metric="answers under the gates of others, and shares of open gates",
    **{**_SHARED, "learned": None},
)

EXPERIMENTS = (FILTERS, GATES)
