"""Experiments on dual attention: a scene that asks for its whole, and real road scenes.

``reference_discs`` cannot be answered without looking far, but one answer is enough for all
positions; ``discs_longer`` gives convolutions alone the steps to get there.  In ``find_your_twin``
every position has a question of its own.  Both hold the paper's r = 8 as well, and the discs a
convolution in front of each branch.  ``camvid`` is ordinary segmentation, where nothing was
arranged in the mechanism's favour; ``camvid_large`` is the same with larger images and a wider
network, and wants a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.backbones.segmenter import Block, SmallSegmenter
from attncourse.datasets import camvid
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel_spatial.dual_attention.nets import (
    FiveConvolutions,
    GlobalContext,
    WideConvolution,
    behind_convolution,
    channel,
    narrow_position,
    position,
)
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.non_local.nets import PixelNet
from attncourse.tasks.reference_discs import REFERENCE, ReferenceDiscs
from attncourse.tasks.segmentation import SegmentationTask, mean_iou_items, segmentation_task
from attncourse.tasks.twin import Twins, colour_loss, explained_items
from attncourse.training import Budget

MEAN_IOU = Score(mean_iou_items, bounds=(0.0, 1.0))

#: Test scenes of CamVid are frames of two films, one a second: ten in a row show one street.
_STRETCH = 10
#: A seed has learned the discs if it is past half the way from a coin, 5/9, to a perfect score.
_HALF_WAY = 7 / 9


def _discs(*blocks: Block) -> SmallSegmenter:
    return SmallSegmenter(blocks)


def discs_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with little weight on the background, which is most of a scene."""
    weights = logits.new_tensor([0.2, 1.0, 1.0])
    return F.cross_entropy(logits, labels, weights, ignore_index=REFERENCE)


NO_ATTENTION = Variant(
    "no attention", "plain", lambda: _discs(nn.Identity), "each disc is seen by itself"
)
CONVOLUTIONS = Variant(
    "five convolutions",
    "plain",
    lambda: _discs(FiveConvolutions),
    "the whole scene, by convolutions alone",
)
ONE_CONTEXT = Variant(
    "global context",
    "ablation",
    lambda: _discs(GlobalContext),
    "the whole scene, but the same answer for every position",
)
POSITION = Variant("position", "mechanism", lambda: _discs(position), "the position branch alone")
CONVOLVED = Variant(
    "both, convolved",
    "ablation",
    lambda: _discs(behind_convolution(position), behind_convolution(channel())),
    "a convolution in front of each branch, too",
)

REFERENCE_DISCS = Experiment(
    name="reference_discs",
    question="Which discs of a scene have the colour of the marked one?",
    task=ReferenceDiscs,
    variants=(
        NO_ATTENTION,
        Variant(
            "7x7 convolution",
            "ablation",
            lambda: _discs(WideConvolution),
            "a larger window and more parameters",
        ),
        CONVOLUTIONS,
        ONE_CONTEXT,
        POSITION,
        Variant("channel, +G", "mechanism", lambda: _discs(channel()), "the paper's equation"),
        Variant(
            "channel, -G", "ablation", lambda: _discs(channel(-1)), "the sign of the released code"
        ),
        Variant(
            "channel, +G/n",
            "ablation",
            lambda: _discs(channel(power=1.0)),
            "a map so flat that it hardly depends on the image",
        ),
        Variant("both branches", "mechanism", lambda: _discs(position, channel()), "DANet"),
        Variant(
            "position, r = 8",
            "ablation",
            lambda: _discs(narrow_position),
            "queries and keys of three numbers",
        ),
        Variant(
            "both, r = 8",
            "ablation",
            lambda: _discs(narrow_position, channel()),
            "DANet with the paper's r",
        ),
        CONVOLVED,
    ),
    quick=Budget(steps=400, batch_size=16, weight_decay=0.01, clip=1.0),
    full=Budget(steps=400, batch_size=16, weight_decay=0.01, clip=1.0),
    data="five discs on black, one of them marked",
    matters=0.01,
    learned=_HALF_WAY,
    loss=discs_loss,
    score=MEAN_IOU,
    metric="mean IoU",
)


DISCS_LONGER = replace(
    REFERENCE_DISCS,
    name="discs_longer",
    question="Who solves the disc scenes with four times the steps?",
    variants=(NO_ATTENTION, CONVOLUTIONS, POSITION, CONVOLVED),
    quick=replace(REFERENCE_DISCS.quick, steps=1_600, learning_rate=3e-3),
    full=replace(REFERENCE_DISCS.full, steps=1_600, learning_rate=3e-3),
)


def _twin_net(block: Block) -> Callable[[], PixelNet]:
    return lambda: PixelNet(block)


FIND_YOUR_TWIN = Experiment(
    name="find_your_twin",
    question="What if every position has a question of its own?",
    task=lambda: Twins(3),
    variants=(
        Variant("no attention", "plain", _twin_net(nn.Identity), "no position hears of another"),
        Variant(
            "global context",
            "ablation",
            _twin_net(GlobalContext),
            "the whole scene, but the same answer for every position",
        ),
        Variant("position", "mechanism", _twin_net(position), "the position branch alone"),
        Variant("channel, +G", "mechanism", _twin_net(channel()), "the paper's equation"),
        Variant("channel, -G", "ablation", _twin_net(channel(-1)), "the sign of the released code"),
        Variant(
            "both branches",
            "mechanism",
            _twin_net(lambda channels: nn.Sequential(position(channels), channel()(channels))),
            "one branch after the other",
        ),
        Variant(
            "position, r = 8",
            "ablation",
            _twin_net(narrow_position),
            "queries and keys of four numbers",
        ),
        Variant(
            "both, r = 8",
            "ablation",
            _twin_net(
                lambda channels: nn.Sequential(narrow_position(channels), channel()(channels))
            ),
            "one after the other with the paper's r",
        ),
    ),
    quick=Budget(steps=400, batch_size=64, learning_rate=1e-2, weight_decay=0.01, clip=1.0),
    full=Budget(steps=400, batch_size=64, learning_rate=1e-2, weight_decay=0.01, clip=1.0),
    data="find your twin, 3 pairs on 8 x 8",
    loss=colour_loss,
    score=Score(explained_items, bounds=(None, 1.0)),
    metric="share of the colours' variance explained",
    matters=0.02,
    learned=0.1,  # a seed that never starts explains nothing
)


def camvid_task() -> SegmentationTask:
    """CamVid at 120 x 90."""
    return segmentation_task(camvid(), factor=2, stretch=_STRETCH)


def camvid_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the pixels that have a class."""
    return F.cross_entropy(logits, labels, ignore_index=logits.shape[1])


def _camvid_variants(widths: Sequence[int]) -> tuple[Variant, ...]:
    def net(*blocks: Block) -> Callable[[], SmallSegmenter]:
        return lambda: SmallSegmenter(blocks, classes=11, widths=widths)

    return (
        Variant("no attention", "plain", net(nn.Identity), "the network alone"),
        Variant(
            "global context",
            "ablation",
            net(GlobalContext),
            "the whole scene, but the same answer for every position",
        ),
        Variant("position", "mechanism", net(position), "the position branch alone"),
        Variant("channel, +G", "mechanism", net(channel()), "the paper's equation"),
        Variant("channel, -G", "ablation", net(channel(-1)), "the sign of the released code"),
        Variant("both branches", "mechanism", net(position, channel()), "DANet"),
    )


CAMVID = Experiment(
    name="camvid",
    question="Does dual attention help a small network to segment road scenes?",
    task=camvid_task,
    variants=_camvid_variants((16, 32, 48, 64)),
    quick=Budget(steps=450, batch_size=8, learning_rate=5e-3, weight_decay=0.01, clip=1.0),
    full=Budget(steps=450, batch_size=8, learning_rate=5e-3, weight_decay=0.01, clip=1.0),
    data="CamVid, 367 scenes for training and 233 for testing, 120 x 90 pixels",
    matters=0.01,
    loss=camvid_loss,
    score=MEAN_IOU,
    metric="mean IoU",
)

CAMVID_LARGE = Experiment(
    name="camvid_large",
    question="Does dual attention help a wider network to segment larger road scenes?",
    task=lambda: segmentation_task(camvid(), stretch=_STRETCH),
    variants=_camvid_variants((64, 128, 256, 256)),
    quick=Budget(steps=45, batch_size=8, learning_rate=2e-3, weight_decay=0.01, clip=1.0),
    full=Budget(steps=4_500, batch_size=8, learning_rate=2e-3, weight_decay=0.01, clip=1.0),
    data="CamVid, 367 scenes for training and 233 for testing, 240 x 180 pixels",
    matters=0.01,
    loss=camvid_loss,
    score=MEAN_IOU,
    metric="mean IoU",
)

EXPERIMENTS = (REFERENCE_DISCS, DISCS_LONGER, FIND_YOUR_TWIN, CAMVID)
LARGE = (CAMVID_LARGE,)
