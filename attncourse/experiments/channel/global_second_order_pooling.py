"""Experiments on GSoP: four rows of the statistic ladder, and one that was not made for it.

``which_pair`` is the row ``cov``: the bit is the sign of the correlation of two cue channels, and
no channel alone tells it.  Two things could make GSoP see it: a 1x1 convolution that mixes channels
before they are squared, and the entries of the covariance off its diagonal.  Each is taken away,
alone and together.  Beside them stand SE behind a 1x1 convolution and a ReLU, and ordinary CNNs.
The other rows say what the same networks see of a spread, a wave and a mean.
``digits`` is plain classification, where nothing was arranged in the mechanism's favour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncourse.backbones import TwoStreams
from attncourse.channel import GlobalSecondOrderPooling, SqueezeExcitation
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.squeeze_excitation import WHICH_STREAM
from attncourse.experiments.controls import CueOnly, Mixed
from attncourse.experiments.small_digits import reader, small_digits
from attncourse.tasks import StatisticLadder
from attncourse.training import Budget

#: Reduced channels in the two-stream network of 32 channels.
REDUCED = 12


class Ablated(GlobalSecondOrderPooling):
    """GSoP without the mixing before the square, without the pairs after it, or without both.

    Args:
        channels: number of channels.
        mixing: whether the learned 1x1 convolution stands before the covariance; without it the
            covariance is that of the channels themselves.
        pairs: whether entries off the diagonal are kept; without them they are zero.
    """

    def __init__(self, channels: int, *, mixing: bool, pairs: bool) -> None:
        super().__init__(channels, REDUCED if mixing else channels)
        self.pairs = pairs
        if not mixing:
            self.reduce = nn.Identity()  # type: ignore[assignment]

    def covariances(self, x: Tensor) -> Tensor:
        """The covariance, or its diagonal."""
        sigma = super().covariances(x)
        return sigma if self.pairs else torch.diag_embed(sigma.diagonal(dim1=1, dim2=2))


def gsop(channels: int) -> GlobalSecondOrderPooling:
    """GSoP with twelve reduced channels."""
    return GlobalSecondOrderPooling(channels, REDUCED)


def _theirs(channels: int) -> GlobalSecondOrderPooling:
    return GlobalSecondOrderPooling(channels, REDUCED, slope=1.0, rectify=True)


def _ablated(*, mixing: bool, pairs: bool) -> Callable[[], nn.Module]:
    return lambda: TwoStreams(lambda c: Ablated(c, mixing=mixing, pairs=pairs))


VARIANTS = (
    Variant(
        "no gate", "plain", WHICH_STREAM.variant("no gate").build,
        "the level without the cue, which is cut off",
    ),
    Variant("SE", "ablation", WHICH_STREAM.variant("SE").build, "the mean of each channel"),
    Variant(
        "variances", "ablation", _ablated(mixing=False, pairs=False),
        "the variance of each channel: no mixing before the square, no pairs after it",
    ),
    Variant(
        "mixing", "ablation", _ablated(mixing=True, pairs=False),
        "GSoP's reduction, and the diagonal of the covariance alone",
    ),
    Variant(
        "pairs", "ablation", _ablated(mixing=False, pairs=True),
        "the whole covariance of the channels themselves",
    ),
    Variant(
        "cue only", "ablation", lambda: TwoStreams(lambda c: CueOnly(c, gsop(c))),
        "GSoP that sees the two cue channels and no digit",
    ),
    Variant(
        "mixed SE", "plain", lambda: TwoStreams(Mixed),
        "SE behind a 1x1 convolution and a ReLU: a rival that averages",
    ),
    Variant(
        "CNN", "plain", WHICH_STREAM.variant("CNN").build,
        "an ordinary network that sees all inputs",
    ),
    Variant(
        "deep CNN", "plain", WHICH_STREAM.variant("deep CNN").build, "the same with two layers",
    ),
    Variant(
        "GSoP, theirs", "mechanism", lambda: TwoStreams(_theirs),
        "the released code's form: a ReLU before and after the reduction, none after the rows",
    ),
    Variant("GSoP", "mechanism", lambda: TwoStreams(gsop), "the mechanism"),
)  # fmt: skip

_ROW = ("no gate", "SE", "variances", "mixing", "cue only", "mixed SE", "GSoP, theirs", "GSoP")


def _row(name: str, row: str, question: str, chosen: tuple[str, ...]) -> Experiment:
    return Experiment(
        name=name,
        question=question,
        task=lambda: StatisticLadder(row),
        variants=tuple(v for v in VARIANTS if v.name in chosen),
        quick=Budget(steps=400),
        full=Budget(steps=400),
        data=f"statistic ladder on scikit-learn digits, row {row}",
        matters=0.01,
    )


WHICH_PAIR = _row(
    "which_pair",
    "cov",
    "What does it take to tell a pair that rises together from one that does not?",
    tuple(v.name for v in VARIANTS),
)
SPREAD = _row("spread", "std", "What does it take to tell a wide spread from a narrow one?", _ROW)
WAVE = _row("wave", "dct", "What does it take to tell a half wave from its mirror image?", _ROW)
MEAN = _row("mean", "mean", "Does a centred squeeze see a mean?", _ROW)


DIGITS = small_digits(
    "Does GSoP help a small residual network to read real digits?",
    Variant("plain", "plain", reader(), "no gate"),
    Variant("SE", "ablation", reader(lambda c: SqueezeExcitation(c, 4)), "means"),
    Variant("GSoP", "mechanism", reader(gsop), "covariances"),
)

EXPERIMENTS = (WHICH_PAIR, SPREAD, WAVE, MEAN, DIGITS)
