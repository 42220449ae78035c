"""Experiments on GCT: noisy copies whose brightness differs from example to example, and without.

``random_gain`` multiplies all copies of an example by one number, so that no fixed norm separates
good copies from spoilt ones, while their ratios do.  GCT without its normaliser is the ablation.
Beside it stand SRM, SE, SE that is handed norms or their logarithms, a gate without any parameter,
and an ordinary network that reads every copy by itself.
``one_brightness`` is the same without the gain: it tells what the gain alone costs each of them.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from attncourse.backbones import AveragedCopies
from attncourse.channel import (
    GatedChannelTransformation,
    SqueezeExcitation,
    StyleRecalibration,
)
from attncourse.channel.gated_channel_transformation import embed
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.style_recalibration import BUDGET, NOISY_COPIES, Votes
from attncourse.experiments.controls import TwoLayerGate
from attncourse.tasks.noisy_copies import NoisyCopies


def root_mean_squares(x: Tensor) -> Tensor:
    """The norm of every channel over the root of the number of its positions, (b, c)."""
    return embed(x, x.new_ones(x.shape[1])) / (x.shape[2] * x.shape[3]) ** 0.5


def log_norms(x: Tensor) -> Tensor:
    """Their logarithms, which turn a gain into a sum."""
    return root_mean_squares(x).log()


class WithoutNormaliser(GatedChannelTransformation):
    """GCT whose norms are not divided by those of the other channels.

    They are root mean squares over positions, so that they start near 1, as GCT's do.
    """

    def compete(self, x: Tensor) -> Tensor:
        """Equation (1) alone."""
        return embed(x, self.alpha) / (x.shape[2] * x.shape[3]) ** 0.5


class OneOverEnergy(nn.Module):
    """Nothing learned: each channel over its own energy.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def forward(self, x: Tensor) -> Tensor:
        """``x / mean(x**2)``."""
        return x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-5)


def _on(describe: Callable[[Tensor], Tensor]) -> AveragedCopies:
    return AveragedCopies(lambda c: TwoLayerGate(c, 16, describe))


_VARIANTS = (
    NOISY_COPIES.variant("no gate"),
    Variant("votes", "plain", Votes, "an ordinary network as large, which reads every copy"),
    Variant(
        "SE",
        "plain",
        lambda: AveragedCopies(lambda c: SqueezeExcitation(c, reduction=2)),
        "all means, and no norm",
    ),
    Variant(
        "SRM", "plain", lambda: AveragedCopies(StyleRecalibration), "spreads against the batch"
    ),
    Variant(
        "SE on norms",
        "plain",
        lambda: _on(root_mean_squares),
        "SE that is handed the norms: a rival that could learn their ratios",
    ),
    Variant(
        "SE on log norms",
        "plain",
        lambda: _on(log_norms),
        "the same on their logarithms, where a ratio is a difference",
    ),
    Variant(
        "1 / energy",
        "plain",
        lambda: AveragedCopies(lambda c: OneOverEnergy()),
        "a gate without anything learned",
    ),
    Variant(
        "no normaliser",
        "ablation",
        lambda: AveragedCopies(WithoutNormaliser),
        "GCT whose norms are not compared within the image",
    ),
    Variant(
        "GCT", "mechanism", lambda: AveragedCopies(GatedChannelTransformation), "the mechanism"
    ),
)

RANDOM_GAIN = Experiment(
    name="random_gain",
    question="What finds the spoilt copies when every example has a brightness of its own?",
    task=lambda: NoisyCopies(gain=1.5),
    variants=_VARIANTS,
    quick=BUDGET,
    full=BUDGET,
    data="noisy copies of scikit-learn digits, with a random gain",
    matters=0.01,
)

ONE_BRIGHTNESS = Experiment(
    name="one_brightness",
    question="What finds the spoilt copies when all examples have the same brightness?",
    task=NoisyCopies,
    variants=tuple(RANDOM_GAIN.variant(name) for name in ("SRM", "no normaliser", "GCT")),
    quick=BUDGET,
    full=BUDGET,
    data="noisy copies of scikit-learn digits",
    matters=0.01,
)

EXPERIMENTS = (RANDOM_GAIN, ONE_BRIGHTNESS)
