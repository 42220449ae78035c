"""Experiments on SpSequenceNet: a mode that only the frame before shows, and what stood where.

``mode`` is about CGA, ``before`` about CLI, and ``longer`` gives an ordinary network more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial_temporal.sp_sequence.nets import (
    WIDTH,
    FrameNet,
    Guided,
    Looked,
    Normalised,
    PointNet,
    Present,
    everywhere,
    inverse_distance,
    nearest_alike,
)
from attncourse.spatial_temporal.sp_sequence import CrossFrameLocalInterpolation
from attncourse.tasks.base import answers_of
from attncourse.tasks.two_frames import MOTION, TwoFrames
from attncourse.training import Budget

_BUDGET = Budget(steps=400, batch_size=32, learning_rate=5e-3)
_LONGER = Budget(steps=800, batch_size=32, learning_rate=5e-3)
#: The least difference that would matter, in all experiments.
MATTERS = 0.02
#: A radius that covers the motion and no other cluster, and one of fifty times the motion.
CLOSE, WIDE = 3 * MOTION, 50 * MOTION


def right_points(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The share of right points of every scene, (n,)."""
    return (answers_of(model, x, 256).argmax(dim=1) == y).double().mean(dim=1)


POINTS_RIGHT = Score(right_points, bounds=(0.0, 1.0))


def _guided(how: str, frame: int = 0, layers: int = 2) -> nn.Module:
    return FrameNet(Guided(how, frame), 2 * WIDTH if how == "join" else WIDTH, layers=layers)


def _looked(block: Callable[[], nn.Module]) -> nn.Module:
    return FrameNet(block(), classes=3, layers=1)


MODE = Experiment(
    name="mode",
    question="Which of a point's two codes counts, if only the frame before tells?",
    task=TwoFrames,
    variants=(
        Variant("present alone", "plain", lambda: FrameNet(Present()), "no frame before"),
        Variant("SE", "ablation", partial(_guided, "gate", 1), "the gate from the present frame"),
        Variant("CGA", "mechanism", partial(_guided, "gate"), "the gate from the frame before"),
        Variant("added", "plain", partial(_guided, "add"), "the vector added, no sigmoid"),
        Variant("joined", "plain", partial(_guided, "join"), "the vector beside the channels"),
        Variant("PointNet, both", "plain", partial(PointNet, 2), "an ordinary network"),
        Variant("CGA, one layer", "ablation", partial(_guided, "gate", layers=1), "linear head"),
        Variant("added, one layer", "plain", partial(_guided, "add", layers=1), "linear head"),
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data="two frames, mode: 32 points each, drawn anew",
    score=POINTS_RIGHT,
    metric="points right",
    matters=MATTERS,
)

_BLOCKS: dict[str, tuple[str, Callable[[], nn.Module], str]] = {
    "present alone": ("plain", Looked, "q = 0"),
    "mean of all": ("plain", partial(Looked, everywhere), "every point before, equally"),
    "nearest": ("plain", partial(Looked, partial(nearest_alike, neighbours=1)), "one, weight 1/2"),
    "CLI": (
        "mechanism",
        partial(CrossFrameLocalInterpolation, WIDTH, radius=CLOSE),
        "three nearest, radius of three motions",
    ),
    "CLI, wide": (
        "ablation",
        partial(CrossFrameLocalInterpolation, WIDTH, radius=WIDE),
        "radius of fifty motions",
    ),
    "CLI, normalised": (
        "ablation", lambda: Looked(Normalised(CLOSE)), "the same weights, divided by their sum",
    ),
    "CLI, wide, normalised": (
        "ablation", lambda: Looked(Normalised(WIDE)), "wide weights, divided by their sum",
    ),
    "inverse distance": ("plain", partial(Looked, inverse_distance), "1/d², normalised"),
    "inverse distance, with offset": (
        "plain",
        partial(Looked, inverse_distance, offset=True),
        "the positions, too, less the present one",
    ),
    "nearest, distance": (
        "plain",
        partial(Looked, partial(nearest_alike, neighbours=1), distance=True),
        "the nearest point, and how far it is",
    ),
}  # fmt: skip

BEFORE = Experiment(
    name="before",
    question="What stood here one frame ago: +, -, or nothing?",
    task=partial(TwoFrames, "before"),
    variants=(
        *(Variant(name, role, partial(_looked, block), why)
          for name, (role, block, why) in _BLOCKS.items()),
        Variant("PointNet, both", "plain", partial(PointNet, 3, 24), "an ordinary network"),
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data="two frames, before: 32 points each, drawn anew",
    score=POINTS_RIGHT,
    metric="points right",
    matters=MATTERS,
)  # fmt: skip

LONGER = Experiment(
    name="longer",
    question="How far does an ordinary network come, wider and with twice the steps?",
    task=partial(TwoFrames, "before"),
    variants=(
        Variant("PointNet, wide", "plain", partial(PointNet, 3, 64), "64 channels"),
        BEFORE.variant("CLI"),
        BEFORE.variant("CLI, wide"),
    ),
    quick=_LONGER,
    full=_LONGER,
    data="two frames, before: 32 points each, drawn anew",
    score=POINTS_RIGHT,
    metric="points right",
    matters=MATTERS,
)

EXPERIMENTS = (MODE, BEFORE, LONGER)
