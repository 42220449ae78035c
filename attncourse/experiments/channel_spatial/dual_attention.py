"""Experiments on dual attention: a scene that asks for its whole, and real road scenes.

``reference_discs`` cannot be answered without looking far, but one answer is enough for all
positions; in ``find_your_twin`` every position has a question of its own.  ``camvid`` is ordinary
segmentation, where nothing was arranged in the mechanism's favour; ``camvid_large`` is the same
with larger images and a wider network, and wants a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.backbones.segmenter import Block, SmallSegmenter
from attncourse.channel_spatial import DualChannelAttention, DualPositionAttention
from attncourse.datasets import camvid
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.non_local.nets import PixelNet
from attncourse.tasks.reference_discs import REFERENCE, ReferenceDiscs
from attncourse.tasks.segmentation import SegmentationTask, mean_iou_items, segmentation_task
from attncourse.tasks.twin import Twins, colour_loss, explained_items
from attncourse.training import Budget

MEAN_IOU = Score(mean_iou_items, bounds=(0.0, 1.0))

#: Test scenes of CamVid are frames of two films, one a second: ten in a row show one street.
_STRETCH = 10


class GlobalContext(nn.Module):
    """GCNet's block: one map for all queries, and so one summary that every position adds.

    The last layer starts at zero, so that a fresh block is the identity like the others here.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = nn.Conv2d(channels, 1, 1)
        self.change = nn.Sequential(
            nn.Linear(channels, channels),
            nn.LayerNorm(channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )
        for parameter in self.change[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """``x + change(mean of x weighted by one softmax)``."""
        weights = self.mask(x).flatten(2).softmax(dim=-1)
        context = (x.flatten(2) @ weights.mT)[..., 0]
        return x + self.change(context)[:, :, None, None]


class WideConvolution(nn.Sequential):
    """A convolution that sees 7 x 7 positions, and has the weights for it."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 7, padding=3, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


def position(channels: int) -> DualPositionAttention:
    """Queries and keys of a third of the width; maps here are small, so they are held whole."""
    return DualPositionAttention(channels, 3, form="whole")


def channel(sign: int = 1, power: float = 0.0) -> Block:
    """The channel branch with either sign."""
    return lambda channels: DualChannelAttention(channels, sign=sign, power=power)


def _discs(*blocks: Block) -> SmallSegmenter:
    return SmallSegmenter(blocks)


def discs_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with little weight on the background, which is most of a scene."""
    weights = logits.new_tensor([0.2, 1.0, 1.0])
    return F.cross_entropy(logits, labels, weights, ignore_index=REFERENCE)


REFERENCE_DISCS = Experiment(
    name="reference_discs",
    question="Which discs of a scene have the colour of the marked one?",
    task=ReferenceDiscs,
    variants=(
        Variant(
            "no attention", "plain", lambda: _discs(nn.Identity), "each disc is seen by itself"
        ),
        Variant(
            "7x7 convolution",
            "ablation",
            lambda: _discs(WideConvolution),
            "a larger window and more parameters",
        ),
        Variant(
            "global context",
            "ablation",
            lambda: _discs(GlobalContext),
            "the whole scene, but the same answer for every position",
        ),
        Variant("position", "mechanism", lambda: _discs(position), "the position branch alone"),
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
    ),
    quick=Budget(steps=400, batch_size=16, weight_decay=0.01, clip=1.0),
    full=Budget(steps=400, batch_size=16, weight_decay=0.01, clip=1.0),
    data="five discs on black, one of them marked",
    matters=0.01,
    loss=discs_loss,
    score=MEAN_IOU,
    metric="mean IoU",
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

EXPERIMENTS = (REFERENCE_DISCS, FIND_YOUR_TWIN, CAMVID)
LARGE = (CAMVID_LARGE,)
