"""Experiments on EncNet.

``look_alikes``: scenes whose classes come in pairs that look alike; one small square tells which
of a pair is meant.  What EncNet adds to SE is taken away piece by piece: the codebook, its unequal
shares, the normalisation of the code; and the normalisation alone is given to SE.  Beside them
stand a maximum, the global mean beside every pixel, and a network with a wide view.
``more_steps`` gives the same networks four times the steps, ``large_patch`` a larger square,
``other_size`` tests on scenes of four times the area,
``present`` varies the weight of the loss on the classes present at two thirds of the steps.
``which_shape`` is the row ``code`` of the statistic ladder: neither means nor covariances of the
cue tell the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.backbones import TwoStreams
from attncourse.channel import ContextEncoding
from attncourse.channel.squeeze_excitation import scale
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.context_encoding.nets import (
    CODEWORDS,
    Beside,
    EqualShares,
    Segmenter,
    Squeezed,
    Unnormed,
    look_alike_items,
    scene_loss,
)
from attncourse.experiments.channel.squeeze_excitation import WHICH_STREAM
from attncourse.experiments.controls import Mixed
from attncourse.experiments.scores import Score
from attncourse.tasks import StatisticLadder
from attncourse.tasks.look_alikes import LookAlikes
from attncourse.training import Budget


def encoding(channels: int) -> ContextEncoding:
    """EncNet's block as the authors' code has it, with eight codewords."""
    return ContextEncoding(channels, CODEWORDS)


def _squeezed(**options: bool) -> Callable[[int], nn.Module]:
    return lambda channels: Squeezed(channels, **options)


NORMED = _squeezed(mixing=True, norm=True)


def _net(block: Callable[[int], nn.Module], weight: float = 0.0) -> Callable[[], nn.Module]:
    return lambda: Segmenter(block, weight=weight)


VARIANTS = (
    Variant("plain", "plain", Segmenter, "three convolutions: a pixel sees 7 x 7"),
    Variant("SE", "plain", _net(_squeezed()), "the mean of each channel"),
    Variant("mixed SE", "plain", _net(_squeezed(mixing=True)),
            "SE behind EncNet's 1x1 convolution and ReLU"),
    Variant("maximum", "plain", _net(_squeezed(peak=True)),
            "SE with the largest value of each channel"),
    Variant("mean beside", "plain", _net(Beside),
            "no gate: the global mean beside every pixel, and a layer that reads both"),
    Variant("wide", "plain", lambda: Segmenter(dilations=(1, 1, 2, 4)),
            "four convolutions, two of them dilated: a pixel sees 17 x 17"),
    Variant("no norm", "ablation", _net(lambda c: Unnormed(c, CODEWORDS)),
            "EncNet without the normalisation of its code, its sums divided by n"),
    Variant("no norm, sums", "ablation", _net(lambda c: Unnormed(c, CODEWORDS, average=False)),
            "the same with the sums as they are"),
    Variant("equal shares", "ablation", _net(lambda c: EqualShares(c, CODEWORDS)),
            "EncNet with smoothing factors of zero: a mean less each codeword"),
    Variant("one codeword", "ablation", _net(lambda c: ContextEncoding(c, 1)),
            "EncNet with k = 1: a mean less one vector"),
    Variant("one layer", "ablation", _net(_squeezed(mixing=True, single=True)),
            "no codebook and no normalised code: mixed SE with EncNet's one layer"),
    Variant("normed SE", "ablation", _net(NORMED),
            "no codebook: mixed SE, and its means normalised over the batch"),
    Variant("normed maximum", "plain", _net(_squeezed(norm=True, peak=True)),
            "the maximum, normalised over the batch"),
    Variant("EncNet, paper", "mechanism",
            _net(lambda c: ContextEncoding(c, CODEWORDS, total=True, residual=False)),
            "the paper's form: codewords added up, gates without x and ReLU"),
    Variant("EncNet, loss", "mechanism", _net(encoding, 0.2),
            "EncNet that is asked for the classes present, with weight 0.2"),
    Variant("EncNet", "mechanism", _net(encoding), "the authors' code, with eight codewords"),
)  # fmt: skip

_SCORE = Score(look_alike_items, bounds=(0.0, 1.0))
_BUDGET = Budget(steps=300, batch_size=32)

LOOK_ALIKE = Experiment(
    name="look_alikes",
    question="What does it take to name classes that only the scene tells apart?",
    task=LookAlikes,
    variants=VARIANTS,
    quick=_BUDGET,
    full=_BUDGET,
    data="look-alike scenes of 16 x 16 pixels with a telling square of 3 x 3",
    loss=scene_loss,
    score=_SCORE,
    metric="look-alike pixels named right",
    matters=0.05,
    learned=0.75,
)


def _only(*names: str) -> tuple[Variant, ...]:
    return tuple(v for v in VARIANTS if v.name in names)


_LONG = Budget(steps=1200, batch_size=32)
MORE_STEPS = replace(
    LOOK_ALIKE,
    name="more_steps",
    question="Do four times the steps do what EncNet does?",
    variants=_only("plain", "SE", "mixed SE", "wide", "one codeword", "EncNet"),
    quick=_LONG,
    full=_LONG,
)
LARGE_PATCH = replace(
    LOOK_ALIKE,
    name="large_patch",
    question="Is a larger square found without EncNet?",
    task=lambda: LookAlikes(patch=6),
    variants=_only("plain", "SE", "mixed SE", "maximum", "one codeword", "EncNet"),
    data="look-alike scenes of 16 x 16 pixels with a telling square of 6 x 6",
)

OTHER_SIZE = replace(
    LOOK_ALIKE,
    name="other_size",
    question="Does the code stand scenes of four times the area, or does it take a division by n?",
    task=lambda: LookAlikes(test_side=32),
    variants=(
        *_only("plain", "EncNet"),
        Variant("over n", "ablation",
                _net(lambda c: ContextEncoding(c, CODEWORDS, average=True)),
                "EncNet with its sums divided by the number of positions"),
    ),
    data="look-alike scenes of 16 x 16 pixels in training and of 32 x 32 in testing",
)  # fmt: skip

_WEIGHTS = (0.0, 0.2, 1.0)
_FEW = Budget(steps=200, batch_size=32)
PRESENT = replace(
    LOOK_ALIKE,
    name="present",
    question="Does asking for the classes present make a network find the square sooner?",
    variants=tuple(
        Variant(
            f"{name}, {weight:g}", role if weight else "plain", _net(block, weight),
            f"{why}; weight {weight:g} of the loss on the classes present",
        )
        for name, role, block, why in (
            ("EncNet", "mechanism", encoding, "EncNet"),
            ("normed SE", "ablation", NORMED, "no codebook, a mean that is normalised"),
            ("mixed SE", "ablation", _squeezed(mixing=True), "no codebook, no normalised mean"),
        )
        for weight in _WEIGHTS
    ),
    quick=_FEW,
    full=_FEW,
)  # fmt: skip


class OfTheCue(Attention):
    """Gates for all channels from the two cue channels alone, fed to the codebook raw.

    Codewords are drawn from a normal distribution and smoothing factors start at -1, for features
    that spread about one.
    """

    def __init__(self, channels: int, make: type[ContextEncoding] = ContextEncoding) -> None:
        super().__init__()
        self.block = make(2, CODEWORDS, mix=False)
        nn.init.normal_(self.block.words)
        nn.init.constant_(self.block.smoothing, -1.0)
        self.block.expand = nn.Linear(2, channels)

    def g(self, x: Tensor) -> Tensor:
        """Gates (b, c) from channels 6 and 7, where the cue stands first."""
        out: Tensor = self.block.g(x[:, 6:8])
        return out

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gates act on all channels, without x beside them."""
        return scale(weights, x)


WHICH_SHAPE = Experiment(
    name="which_shape",
    question="What does it take to tell four clusters at the corners from four on the axes?",
    task=lambda: StatisticLadder("code"),
    variants=(
        Variant("no gate", "plain", WHICH_STREAM.variant("no gate").build,
                "the level without the cue"),
        Variant("SE", "plain", WHICH_STREAM.variant("SE").build, "means"),
        Variant("mixed SE", "plain", lambda: TwoStreams(Mixed),
                "SE behind a 1x1 convolution and a ReLU"),
        Variant("cue, equal shares", "ablation",
                lambda: TwoStreams(lambda c: OfTheCue(c, EqualShares)),
                "the codebook on the two raw cue channels, with smoothing factors of zero"),
        Variant("cue, codebook", "mechanism", lambda: TwoStreams(OfTheCue),
                "the codebook on the two raw cue channels: no convolution and no ReLU before it"),
        Variant("EncNet", "mechanism",
                lambda: TwoStreams(lambda c: ContextEncoding(c, CODEWORDS, residual=False)),
                "the block on all channels, without the residual"),
    ),
    quick=Budget(steps=400),
    full=Budget(steps=400),
    data="statistic ladder on scikit-learn digits, row code",
    matters=0.01,
)  # fmt: skip

EXPERIMENTS = (LOOK_ALIKE, MORE_STEPS, LARGE_PATCH, OTHER_SIZE, PRESENT, WHICH_SHAPE)
