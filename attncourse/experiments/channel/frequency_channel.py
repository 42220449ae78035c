"""Experiments on FcaNet: one built for it, one that was not.

``which_wave`` is the dct row of the statistic ladder: the cue is the sign of a half wave, its mean
is zero.  Beside FcaNet stand filters of the same layout that are not cosines, filters that are
learned, SE behind a layer that mixes channels, and ordinary CNNs that see all inputs.
``variations`` asks what three details of these networks count.
``faint_wave`` is the same with a cue near the noise, ``faint_wave_longer`` with more steps.
``digits`` is plain classification, where nothing was arranged in the mechanism's favour, on maps
below the size at which the released code turns into SE.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.backbones import TwoStreams
from attncourse.channel import FrequencyChannel, SqueezeExcitation
from attncourse.channel.frequency_channel import TOP16, planes
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.squeeze_excitation import WHICH_STREAM
from attncourse.experiments.controls import CueOnly, Mixed
from attncourse.experiments.small_digits import reader, small_digits
from attncourse.tasks import StatisticLadder
from attncourse.training import Budget

#: One frequency for each of the four groups of the two-stream network.
FOUR = ((0, 0), (0, 1), (1, 0), (1, 1))
_SIDE = 8


class Filtered(FrequencyChannel):
    """FcaNet with other filters than cosines, fixed or learned, for maps of one size.

    Args:
        channels: number of channels.
        filters: (k, h, w), one for each of k groups of channels.
        learned: whether the filters are parameters.
    """

    filters: Tensor

    def __init__(self, channels: int, filters: Tensor, *, learned: bool) -> None:
        super().__init__(channels, reduction=4, frequencies=((0, 0),) * len(filters), bias=True)
        if learned:
            self.filters = nn.Parameter(filters)
        else:
            self.register_buffer("filters", filters)

    def planes(self, x: Tensor) -> Tensor:
        """The filters, whatever ``x``."""
        return self.filters


def filters(count: int) -> Tensor:
    """Random filters (count, 8, 8) of mean square 1, as the waves have it."""
    drawn = torch.randn(count, _SIDE, _SIDE)
    return drawn / drawn.square().mean(dim=(1, 2), keepdim=True).sqrt()


def steps() -> Tensor:
    """The signs of the four waves: +1 and -1, half against half."""
    u, v = torch.tensor(FOUR).T
    return planes(u, v, _SIDE, _SIDE, torch.zeros(1)).sign()


def fca(channels: int, **options: object) -> FrequencyChannel:
    """FcaNet with SE's biases and reduction, so that the squeeze is all that differs."""
    usual = {"reduction": 4, "frequencies": FOUR, "bias": True}
    return FrequencyChannel(channels, **(usual | options))  # type: ignore[arg-type]


def _theirs(channels: int, **options: object) -> FrequencyChannel:
    return fca(channels, bias=False, orthonormal=True, collapse=True, **options)


WHICH_WAVE = Experiment(
    name="which_wave",
    question="What does it take to tell a half wave from its mirror image?",
    task=lambda: StatisticLadder("dct"),
    variants=(
        Variant(
            "no gate",
            "plain",
            WHICH_STREAM.variant("no gate").build,
            "the level without the cue, which is cut off",
        ),
        Variant(
            "all at (0, 0)",
            "ablation",
            lambda: TwoStreams(lambda c: fca(c, frequencies=((0, 0),) * 4)),
            "the same block with the mean in every group: SE",
        ),
        Variant(
            "published list",
            "ablation",
            lambda: TwoStreams(lambda c: fca(c, frequencies=TOP16)),
            "sixteen frequencies of the authors, none of which fits the cue's channels",
        ),
        Variant(
            "random filters",
            "ablation",
            lambda: TwoStreams(lambda c: Filtered(c, filters(4), learned=False)),
            "four fixed filters of noise in place of the waves",
        ),
        Variant(
            "step filters",
            "ablation",
            lambda: TwoStreams(lambda c: Filtered(c, steps(), learned=False)),
            "half against half: the signs of the waves",
        ),
        Variant(
            "learned filters",
            "plain",
            lambda: TwoStreams(lambda c: Filtered(c, filters(c), learned=True)),
            "a learned filter for each channel: a rival that need not know the frequency",
        ),
        Variant(
            "mixed SE",
            "plain",
            lambda: TwoStreams(Mixed),
            "SE behind a 1x1 convolution and a ReLU: a rival that averages",
        ),
        Variant(
            "CNN",
            "plain",
            WHICH_STREAM.variant("CNN").build,
            "an ordinary network that sees all inputs",
        ),
        Variant(
            "deep CNN",
            "plain",
            WHICH_STREAM.variant("deep CNN").build,
            "the same with two layers",
        ),
        Variant(
            "FcaNet, theirs",
            "mechanism",
            lambda: TwoStreams(_theirs),
            "without our departures: orthonormal waves and no biases",
        ),
        Variant("FcaNet", "mechanism", lambda: TwoStreams(fca), "the mechanism"),
    ),
    quick=Budget(steps=400),
    full=Budget(steps=400),
    data="statistic ladder on scikit-learn digits",
    matters=0.01,
)

VARIATIONS = Experiment(
    name="variations",
    question="Do a smaller hidden layer, a shared filter or the digits' maps count here?",
    task=lambda: StatisticLadder("dct"),
    variants=(
        WHICH_WAVE.variant("no gate"),
        Variant(
            "mixed SE, cue only",
            "ablation",
            lambda: TwoStreams(lambda c: CueOnly(c, Mixed(c))),
            "the rival without the digits' maps, which could lend it a left and a right",
        ),
        Variant(
            "group filters",
            "plain",
            lambda: TwoStreams(lambda c: Filtered(c, filters(4), learned=True)),
            "a learned filter for each group, in place of one for each channel",
        ),
        Variant(
            "FcaNet, r = 16",
            "mechanism",
            lambda: TwoStreams(lambda c: fca(c, reduction=16)),
            "the paper's reduction, which leaves two hidden units",
        ),
        WHICH_WAVE.variant("FcaNet"),
    ),
    quick=Budget(steps=400),
    full=Budget(steps=400),
    data="statistic ladder on scikit-learn digits",
    matters=0.01,
)

_FAINT = ("CNN", "deep CNN", "mixed SE", "learned filters", "step filters", "FcaNet")

FAINT_WAVE = Experiment(
    name="faint_wave",
    question="Is a fixed wave worth more than a learned filter where the cue is faint?",
    task=lambda: StatisticLadder("dct", strength=0.2),
    variants=tuple(WHICH_WAVE.variant(name) for name in _FAINT),
    quick=Budget(steps=400),
    full=Budget(steps=400),
    data="statistic ladder on scikit-learn digits, a cue of strength 0.2",
    matters=0.01,
)

LONGER = Experiment(
    name="faint_wave_longer",
    question="Do networks without a window over the map catch up with more steps?",
    task=lambda: StatisticLadder("dct", strength=0.2),
    variants=tuple(WHICH_WAVE.variant(name) for name in _FAINT),
    quick=Budget(steps=2_000),
    full=Budget(steps=2_000),
    data="statistic ladder on scikit-learn digits, a cue of strength 0.2",
    matters=0.01,
)


def _published(channels: int, **options: object) -> FrequencyChannel:
    return fca(channels, frequencies=TOP16, **options)


DIGITS = small_digits(
    "Does FcaNet help a small residual network to read real digits?",
    Variant("plain", "plain", reader(), "no gate"),
    Variant(
        "SE", "ablation", reader(lambda c: SqueezeExcitation(c, 4)), "the mean of each channel"
    ),
    Variant(
        "FcaNet, collapsed",
        "ablation",
        reader(lambda c: _published(c, collapse=True)),
        "the released rule: on the maps of 4 x 4 and 2 x 2 every frequency is the mean",
    ),
    Variant("FcaNet", "mechanism", reader(_published), "sixteen frequencies at every size"),
)

EXPERIMENTS = (WHICH_WAVE, FAINT_WAVE, VARIATIONS, LONGER, DIGITS)
