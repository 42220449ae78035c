"""Experiments on GLTR: one for each of its halves, and one on recorded movements.

``cue_recall`` needs the attention, ``which_lag`` the pyramid and something that is not linear
behind it.  ``cue_recall_longer`` gives rivals of the attention four times the steps, and
``msr_action3d`` asks whether people's movements need either half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.temporal.global_local_temporal.nets import (
    ClipNet,
    ContentPooling,
    MeanAndFirst,
    MeanOf,
    MeanOfPairs,
    OneQuery,
    RectifiedMeanAndFirst,
    Recurrent,
    one_layer,
    one_query_for_all,
    two_layers,
)
from attncourse.tasks.cue_recall import CueRecall
from attncourse.tasks.skeletons import msr_action3d_task
from attncourse.tasks.which_lag import WhichLag
from attncourse.temporal import (
    DilatedTemporalPyramid,
    GlobalLocalTemporal,
    TemporalSelfAttention,
)
from attncourse.training import Budget

_WIDTH = 96


def _recall(clip: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: ClipNet(two_layers(100, 128, _WIDTH), clip(), 2 * _WIDTH, 10)


_RECALL_BUDGET = Budget(steps=1_500, batch_size=64, learning_rate=2e-3)
CUE_RECALL = Experiment(
    name="cue_recall",
    question="Which digit stands in the frame with the first frame's border?",
    task=CueRecall,
    variants=(
        Variant(
            "mean pooling",
            "plain",
            _recall(lambda: MeanAndFirst(nn.Identity())),
            "sees the cue and the mean of all frames",
        ),
        Variant(
            "content pooling",
            "plain",
            _recall(lambda: ContentPooling(_WIDTH)),
            "weights that each frame earns by itself",
        ),
        Variant("LSTM", "plain", _recall(lambda: Recurrent(_WIDTH)), "reads the frames in order"),
        Variant(
            "one query",
            "ablation",
            _recall(lambda: MeanAndFirst(OneQuery(_WIDTH))),
            "attention that asks every clip the same",
        ),
        Variant(
            "pairs, no weights",
            "ablation",
            _recall(lambda: MeanOfPairs(_WIDTH, 256)),
            "a mean of what a network makes of each frame and the cue",
        ),
        Variant(
            "TSA",
            "mechanism",
            _recall(lambda: MeanAndFirst(TemporalSelfAttention(_WIDTH))),
            "every frame asks a question of its own",
        ),
    ),
    quick=_RECALL_BUDGET,
    full=_RECALL_BUDGET,
    data="cue recall, 8 frames, on scikit-learn digits",
    matters=0.01,
)

_LONGER_BUDGET = replace(_RECALL_BUDGET, steps=6_000)
CUE_RECALL_LONGER = replace(
    CUE_RECALL,
    name="cue_recall_longer",
    question="Do four times the steps lead a network that compares no frames past the blind?",
    variants=(
        Variant(
            "mean, two layers",
            "plain",
            lambda: ClipNet(
                two_layers(100, 128, _WIDTH), RectifiedMeanAndFirst(_WIDTH, 512), 512, 10
            ),
            "the cue and the mean of all frames, read by two layers",
        ),
        *(CUE_RECALL.variant(name) for name in ("LSTM", "one query", "TSA")),
    ),
    quick=_LONGER_BUDGET,
    full=_LONGER_BUDGET,
)


def _lag(block: Callable[[], nn.Module], width: int, rectify: bool) -> Callable[[], nn.Module]:
    return lambda: ClipNet(one_layer(64, 32), MeanOf(block(), rectify), width, 6)


def _pyramid(rates: Sequence[int], rectify: bool) -> Callable[[], nn.Module]:
    width = 32 * (len(rates) + 1)
    return _lag(lambda: DilatedTemporalPyramid(32, rates), width, rectify)


_LAG_BUDGET = Budget(steps=1_500, batch_size=64, learning_rate=5e-3)
WHICH_LAG = Experiment(
    name="which_lag",
    question="How many frames lie between the two occurrences of a pattern?",
    task=WhichLag,
    variants=(
        Variant("no pyramid", "plain", _lag(nn.Identity, 32, True), "the mean of single frames"),
        Variant(
            "TSA alone",
            "ablation",
            _lag(lambda: TemporalSelfAttention(32), 32, False),
            "pairs of frames, without their order",
        ),
        Variant(
            "1,2,3, linear",
            "ablation",
            _pyramid((1, 2, 3), False),
            "the pyramid as it is, averaged",
        ),
        Variant("1, ReLU", "ablation", _pyramid((1,), True), "couples the distances 1 and 2"),
        Variant("1,2,4, ReLU", "ablation", _pyramid((1, 2, 4), True), "couples 1, 2, 4, and 8"),
        Variant(
            "1,2,3, ReLU", "mechanism", _pyramid((1, 2, 3), True), "couples all but the distance 5"
        ),
        Variant(
            "GLTR",
            "mechanism",
            _lag(lambda: GlobalLocalTemporal(32), 128, False),
            "the linear pyramid with attention behind it",
        ),
    ),
    quick=_LAG_BUDGET,
    full=_LAG_BUDGET,
    data="which lag, 32 frames of noise, made by rule",
    matters=0.01,
)

_JOINTS, _ACTIONS, _MSR_FRAMES, _MSR_WIDTH = 20, 20, 24, 32


def _movement(
    clip: Callable[[], nn.Module], width: int, hidden: int = 128
) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(
        nn.Flatten(2),
        ClipNet(two_layers(3 * _JOINTS, hidden, _MSR_WIDTH), clip(), width, _ACTIONS),
    )


# The budget of STA-LSTM on the same clips: nothing was tuned here.
_MSR_BUDGET = Budget(steps=400, batch_size=32, learning_rate=5e-3, weight_decay=0.01, clip=1.0)
MSR_ACTION3D = Experiment(
    name="msr_action3d",
    question="Does GLTR help to tell 20 actions of people who were not in training?",
    task=lambda: msr_action3d_task(_MSR_FRAMES),
    variants=(
        Variant(
            "mean pooling",
            "plain",
            _movement(lambda: MeanOf(nn.Identity()), _MSR_WIDTH),
            "the mean of single frames",
        ),
        Variant(
            "mean pooling, wider",
            "plain",
            _movement(lambda: MeanOf(nn.Identity()), _MSR_WIDTH, 608),
            "the mean of single frames, with GLTR's parameters",
        ),
        Variant(
            "LSTM",
            "plain",
            _movement(lambda: Recurrent(_MSR_WIDTH), 2 * _MSR_WIDTH),
            "reads the frames in order",
        ),
        Variant(
            "TSA",
            "ablation",
            _movement(lambda: MeanOf(TemporalSelfAttention(_MSR_WIDTH)), _MSR_WIDTH),
            "pairs of frames, without their order",
        ),
        Variant(
            "GLTR, one query",
            "ablation",
            _movement(lambda: MeanOf(one_query_for_all(_MSR_WIDTH)), 4 * _MSR_WIDTH),
            "GLTR in whose attention all frames ask the same",
        ),
        Variant(
            "GLTR",
            "mechanism",
            _movement(lambda: MeanOf(GlobalLocalTemporal(_MSR_WIDTH)), 4 * _MSR_WIDTH),
            "the linear pyramid with attention behind it",
        ),
    ),
    quick=_MSR_BUDGET,
    full=_MSR_BUDGET,
    data="MSR Action3D across subjects, 284 clips for training, 273 for testing, 20 actions",
    matters=0.01,
)

EXPERIMENTS = (CUE_RECALL, WHICH_LAG, MSR_ACTION3D, CUE_RECALL_LONGER)
