"""Experiments on deformable convolutions: a law of nine numbers, and digits of all sizes.

``follow_the_arrow`` asks every position for a value at the end of an arrow.  The three that follow
change what a slope can tell: ``far`` counts long arrows only, ``noise`` has values of white noise,
``far_in_noise`` has both.  ``digits_of_all_sizes`` is a task on real handwriting.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.deformable_convolution.nets import (
    DigitNet,
    Follower,
    PredictedWeights,
    StaticOffsets,
    convolutions,
    deformable,
    plain,
)
from attncourse.spatial import DeformableConvolution
from attncourse.tasks.follow_arrow import FollowArrow, arrow_loss, explained_items
from attncourse.tasks.object_scale import ObjectScale
from attncourse.training import Budget

#: Pixels from which on the slope at p has no pixel in common with the reading at the arrow's end.
FAR = 2.0
_BUDGET = Budget(steps=500, batch_size=16, learning_rate=2e-2)

FROZEN = Variant(
    "frozen offsets", "ablation", partial(Follower, frozen=True), "the tap stays where it stands"
)
WEIGHTS = Variant(
    "predicted weights",
    "plain",
    PredictedWeights,
    "81 weights for each position from the same arrows: shares in place of a place",
)
NEAR = Variant(
    "started near the law",
    "ablation",
    partial(Follower, start=3.5),
    "offsets of 3.5 arrows at first: is the law there to be found, and is it kept?",
)
DEFORMABLE = Variant("deformable", "mechanism", Follower, "the mechanism: nine parameters")


def _arrows(
    name: str, question: str, *variants: Variant, values: int = 6, shortest: float = 0.0
) -> Experiment:
    return Experiment(
        name=name,
        question=question,
        task=partial(FollowArrow, values, shortest=shortest),
        variants=variants,
        quick=_BUDGET,
        full=_BUDGET,
        data=f"follow the arrow: values from noise of {values} x {values}, arrows that count "
        f"from {shortest:g} pixels on",
        loss=arrow_loss,
        score=Score(explained_items, bounds=(None, 1.0)),
        metric="share of the answers' variance explained",
        matters=0.02,
        learned=0.5,
    )


FOLLOW = _arrows(
    "follow_the_arrow",
    "Which network finds the law that an arrow tells where to read?",
    Variant("2 convolutions", "plain", lambda: convolutions((16,)), "5 x 5 pixels seen"),
    Variant("4 convolutions", "plain", lambda: convolutions((16,) * 3), "9 x 9 pixels seen"),
    WEIGHTS,
    FROZEN,
    DEFORMABLE,
)
_STILL = replace(FROZEN, role="plain")
FAR_ALONE = _arrows(
    "far",
    "Does a tap find the law where every arrow that counts ends far away?",
    _STILL, NEAR, DEFORMABLE, shortest=FAR,
)  # fmt: skip
NOISE = _arrows(
    "noise",
    "Does a tap find the law where neighbouring values have nothing in common?",
    _STILL, NEAR, DEFORMABLE, values=24,
)  # fmt: skip
FAR_IN_NOISE = _arrows(
    "far_in_noise",
    "Does a tap find the law where arrows end far away and no value tells of another?",
    _STILL, WEIGHTS, NEAR, DEFORMABLE, values=24, shortest=FAR,
)  # fmt: skip

DIGITS = Experiment(
    name="digits_of_all_sizes",
    question="Do taps that move help to read handwritten digits of any size?",
    task=ObjectScale,
    variants=(
        Variant("convolution", "plain", partial(DigitNet, plain()), "3 x 3 taps that stand still"),
        Variant(
            "wider", "plain", partial(DigitNet, plain(), 21), "as many parameters, in its width"
        ),
        Variant(
            "dilated",
            "plain",
            partial(DigitNet, plain(3, 2)),
            "5 x 5 cells, with 9 taps that stand still",
        ),
        Variant(
            "wider, dilated",
            "plain",
            partial(DigitNet, plain(3, 2), 21),
            "both: as many parameters, and 5 x 5 cells",
        ),
        Variant(
            "static offsets",
            "ablation",
            partial(DigitNet, StaticOffsets),
            "learned places, the same everywhere in every image",
        ),
        Variant("deformable", "mechanism", partial(DigitNet, deformable()), "the mechanism"),
    ),
    quick=Budget(steps=150, batch_size=64, learning_rate=1e-2),
    full=Budget(steps=150, batch_size=64, learning_rate=1e-2),
    data="scikit-learn digits, enlarged to 8 to 20 pixels on 24 x 24",
    matters=0.01,
)

EXPERIMENTS = (FOLLOW, FAR_ALONE, NOISE, FAR_IN_NOISE, DIGITS)


@torch.no_grad()
def spread(layer: DeformableConvolution, x: Tensor) -> Tensor:
    """How far the taps stand from their mean, in pixels, at every position: (b, h, w).

    An ordinary kernel of 3 x 3 taps has the root of 4/3, about 1.15.
    """
    found = layer.g(x)
    offsets = found[0] if isinstance(found, tuple) else found
    lattice = layer.lattice
    rows = lattice.rows(offsets.shape[2], offsets)
    columns = lattice.columns(offsets.shape[3], offsets)
    places = torch.stack([offsets[..., 0] + rows, offsets[..., 1] + columns], dim=-1)
    away = places - places.mean(dim=1, keepdim=True)
    return away.square().sum(dim=-1).mean(dim=1).sqrt()


def first_input(net: nn.Module, x: Tensor) -> Tensor:
    """What enters the first of the two layers of a :class:`DigitNet`."""
    assert isinstance(net, DigitNet)
    with torch.no_grad():
        return torch.as_tensor(net.stem(x))
