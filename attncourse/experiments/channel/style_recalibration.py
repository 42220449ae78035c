"""Experiments on SRM: noisy copies, whose cue is the spread of a channel, and plain digits.

``noisy_copies`` takes SRM apart: the mean alone, the spread alone, no batch normalisation, the
authors' unbiased spread.  Beside it stand the rivals that could do without it: SE, SE that is
handed means and spreads, a gate without any parameter, an ordinary CNN that sees all copies, and
one reader that looks at every copy by itself and votes.
``random_gain`` multiplies each example by a number of its own, so that no fixed spread separates
good copies from spoilt ones: this is where a gate that compares with the batch should lose.
``other_numbers`` puts another number that grows with noise in the place of the spread.
``digits`` puts residual SRM where nothing was arranged in its favour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncourse.backbones import AveragedCopies
from attncourse.channel import SqueezeExcitation, StyleRecalibration
from attncourse.channel.squeeze_excitation import scale
from attncourse.channel.style_recalibration import integrate, style
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.controls import StaticGate, TwoLayerGate
from attncourse.experiments.small_digits import reader, small_digits
from attncourse.tasks.noisy_copies import NoisyCopies
from attncourse.training import Budget


class OneColumn(StyleRecalibration):
    """SRM that sees one of its two numbers; the other is zero for every image.

    Args:
        channels: number of channels.
        keep: 0 for the mean, 1 for the spread.
    """

    def __init__(self, channels: int, keep: int) -> None:
        super().__init__(channels)
        self.keep = keep

    def g(self, x: Tensor) -> Tensor:
        """The gates from one number, (b, channels)."""
        numbers = [number if n == self.keep else 0 * number for n, number in enumerate(style(x))]
        return torch.sigmoid(self.norm(integrate(numbers[0], numbers[1], self.weight)))


class OtherNumber(StyleRecalibration):
    """SRM's gate on one number of each channel, which is no spread.

    Args:
        channels: number of channels.
        describe: from x (b, channels, h, w) to the numbers (b, channels).
    """

    def __init__(self, channels: int, describe: Callable[[Tensor], Tensor]) -> None:
        super().__init__(channels)
        self.describe = describe

    def g(self, x: Tensor) -> Tensor:
        """The gates from that number, (b, channels)."""
        number = self.describe(x)
        return torch.sigmoid(self.norm(integrate(0 * number, number, self.weight)))


class WithoutNorm(nn.Module):
    """Each channel's own two numbers and a bias, with no batch normalisation, from zero on.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 2))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``sigmoid(w1 mean + w2 std + b)`` times x."""
        return scale(torch.sigmoid(integrate(*style(x), self.weight) + self.bias), x)


class InverseVariance(nn.Module):
    """Nothing learned: each channel over its own variance, as one averages measurements.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def forward(self, x: Tensor) -> Tensor:
        """``x / std**2``."""
        return scale(style(x)[1].square().reciprocal(), x)


class Votes(AveragedCopies):
    """The same reader looks at every copy by itself, and the answers are averaged.

    It holds the parameters of the network without a gate, and reads as often as there are copies.
    """

    def __init__(self) -> None:
        super().__init__(lambda channels: nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        """The mean of the logits of all copies."""
        return self.readout(x.flatten(2)).mean(dim=1)


def cnn(copies: int = 8, maps: int = 24, classes: int = 10) -> nn.Sequential:
    """A 1 x 1 convolution over the copies, a ReLU, one map out of them, and the same reader."""
    reader = AveragedCopies(lambda channels: nn.Identity(), copies=1, classes=classes)
    return nn.Sequential(nn.Conv2d(copies, maps, 1), nn.ReLU(), nn.Conv2d(maps, 1, 1), reader)


def _mean_and_std(x: Tensor) -> Tensor:
    return torch.cat(style(x), dim=1)


def _gated(gate: type[nn.Module], **options: int) -> AveragedCopies:
    return AveragedCopies(lambda channels: gate(channels, **options))


_NO_GATE = Variant(
    "no gate", "plain", lambda: AveragedCopies(lambda c: nn.Identity()), "the plain average"
)
_VOTES = Variant(
    "votes", "plain", Votes, "a reader that looks at every copy by itself: a rival without a gate"
)
_INVERSE = Variant(
    "1 / variance",
    "plain",
    lambda: AveragedCopies(lambda c: InverseVariance()),
    "the spread without anything learned",
)
_STYLED = Variant(
    "SE, mean and std",
    "plain",
    lambda: AveragedCopies(lambda c: TwoLayerGate(c, 16, _mean_and_std, numbers=2)),
    "SE that is handed both numbers: a rival that mixes channels",
)
_UNNORMED = Variant(
    "no batch norm",
    "ablation",
    lambda: _gated(WithoutNorm),
    "the same two numbers and a bias, not compared with the batch",
)
_STD_ONLY = Variant(
    "std only",
    "ablation",
    lambda: _gated(OneColumn, keep=1),
    "SRM with the column of the mean removed",
)
_SRM = Variant("SRM", "mechanism", lambda: _gated(StyleRecalibration), "the mechanism")

BUDGET = Budget(steps=500, learning_rate=2e-2)

NOISY_COPIES = Experiment(
    name="noisy_copies",
    question="What does it take to leave out the copies of a digit that are spoilt by noise?",
    task=NoisyCopies,
    variants=(
        _NO_GATE,
        Variant("CNN", "plain", cnn, "an ordinary network that sees all copies"),
        _VOTES,
        Variant(
            "SE",
            "plain",
            lambda: _gated(SqueezeExcitation, reduction=2),
            "all means, and no spread",
        ),
        _STYLED,
        _INVERSE,
        Variant(
            "mean only",
            "ablation",
            lambda: _gated(OneColumn, keep=0),
            "SRM with the column of the spread removed",
        ),
        _STD_ONLY,
        _UNNORMED,
        Variant(
            "SRM, authors'",
            "mechanism",
            lambda: AveragedCopies(lambda c: StyleRecalibration(c, unbiased=True)),
            "without our departure: the unbiased spread",
        ),
        _SRM,
    ),
    quick=BUDGET,
    full=BUDGET,
    data="noisy copies of scikit-learn digits",
    matters=0.01,
)

RANDOM_GAIN = Experiment(
    name="random_gain",
    question="Does SRM still find the spoilt copies when every example has its own brightness?",
    task=lambda: NoisyCopies(gain=1.5),
    variants=(_NO_GATE, _VOTES, _STYLED, _INVERSE, _UNNORMED, _SRM),
    quick=BUDGET,
    full=BUDGET,
    data="noisy copies of scikit-learn digits, with a random gain",
    matters=0.01,
)


def _on(describe: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    return lambda: AveragedCopies(lambda c: OtherNumber(c, describe))


OTHER_NUMBERS = Experiment(
    name="other_numbers",
    question="Is it the spread, or any number that grows with the noise?",
    task=NoisyCopies,
    variants=(
        _NO_GATE,
        Variant(
            "maximum",
            "ablation",
            _on(lambda x: x.amax(dim=(2, 3))),
            "the largest pixel of each channel in place of the spread",
        ),
        Variant(
            "mean size",
            "ablation",
            _on(lambda x: x.abs().mean(dim=(2, 3))),
            "the mean of |x| in place of the spread",
        ),
        _STD_ONLY,
        _SRM,
    ),
    quick=BUDGET,
    full=BUDGET,
    data="noisy copies of scikit-learn digits",
    matters=0.01,
)

DIGITS = small_digits(
    "Does residual SRM help a small residual network to read real digits?",
    Variant("plain", "plain", reader(), "no gate"),
    Variant(
        "SE",
        "plain",
        reader(lambda c: SqueezeExcitation(c, reduction=4)),
        "the mechanism of the chapter before",
    ),
    Variant(
        "static gate",
        "ablation",
        reader(StaticGate),
        "gates that do not look at the image",
    ),
    Variant(
        "residual SRM",
        "mechanism",
        reader(StyleRecalibration),
        "the mechanism at the end of each residual branch",
    ),
)

EXPERIMENTS = (NOISY_COPIES, RANDOM_GAIN, OTHER_NUMBERS, DIGITS)
