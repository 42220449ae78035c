"""Experiments on ECA-Net: what a gate can do that sees a few neighbours, and who is a neighbour.

``which_stream`` is the mean row of the statistic ladder, on which SE has its chapter.  Between the
means and the gates stand one matrix after another, from a diagonal to a full one; beside them SE,
SE behind a layer that mixes channels, and ordinary CNNs that see all inputs.
``longer`` trains three of them five times as long, ``reach`` changes the size of ECA's kernel.
``order`` gives ECA the same channels in other orders, fixed for a whole training.
``digits`` is plain classification, where nothing was arranged in the mechanism's favour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.backbones import TwoStreams
from attncourse.channel import EfficientChannel, SqueezeExcitation
from attncourse.channel.squeeze_excitation import scale, squeeze
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.squeeze_excitation import WHICH_STREAM as OF_SE
from attncourse.experiments.controls import Mixed
from attncourse.experiments.small_digits import reader, small_digits
from attncourse.tasks import StatisticLadder
from attncourse.training import Budget

#: Channels of the two-stream network: four groups of six maps and the two fields of the cue.
GROUPS, MAPS, PER_GROUP = 4, 6, 8
#: The field whose mean tells the answer, once in each group, and the one that tells nothing.
CUES = tuple(PER_GROUP * group + MAPS for group in range(GROUPS))
NOISE = tuple(cue + 1 for cue in CUES)
OF_A = tuple(PER_GROUP * group + place for group in (0, 1) for place in range(MAPS))
OF_B = tuple(PER_GROUP * group + place for group in (2, 3) for place in range(MAPS))


class Blocks(Attention):
    """Gates of a matrix of blocks along its diagonal: s = sigmoid(W z), without a bias.

    Args:
        channels: number of channels c.
        groups: how many blocks: c for a diagonal matrix, 1 for a full one.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(channels, channels, 1, groups=groups, bias=False)

    def g(self, x: Tensor) -> Tensor:
        """Gates, (b, c)."""
        return torch.sigmoid(self.mix(squeeze(x)[:, :, None])[:, :, 0])

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features."""
        return scale(weights, x)


class Reordered(Attention):
    """A channel attention that is given the channels in another order, and its gates put back.

    Args:
        attention: gives one gate for each channel.
        order: (c,), which channel comes first, second and so on.
    """

    order: Tensor
    back: Tensor

    def __init__(self, attention: Attention, order: Tensor) -> None:
        super().__init__()
        self.attention = attention
        self.register_buffer("order", order)
        self.register_buffer("back", order.argsort())

    def g(self, x: Tensor) -> Tensor:
        """Gates, (b, c), in the order of ``x``."""
        return self.attention.g(x[:, self.order])[:, self.back]

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features."""
        return scale(weights, x)


class Rotated(Attention):
    """A channel attention on channels that a learned 1x1 convolution has mixed, without a ReLU.

    The gates act on the channels as they were.
    """

    def __init__(self, attention: Attention, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.attention = attention

    def g(self, x: Tensor) -> Tensor:
        """Gates, (b, c), of the mixed channels."""
        return self.attention.g(self.mix(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features."""
        return scale(weights, x)


def _order(places: list[int]) -> Tensor:
    """``places``, then all channels that are not among them."""
    rest = [c for c in range(GROUPS * PER_GROUP) if c not in places]
    return torch.tensor(places + rest)


def opposite() -> Tensor:
    """The cue behind the maps of A, as built, and in front of those of B."""
    of_b = [c for g in (2, 3) for c in (NOISE[g], CUES[g], *OF_B[(g - 2) * MAPS :][:MAPS])]
    return _order([*range(2 * PER_GROUP), *of_b])


def between() -> Tensor:
    """Each copy of the cue with a map of A before it and one of B behind it."""
    rows = zip(OF_A[:GROUPS], CUES, OF_B[:GROUPS], strict=True)
    return _order([channel for row in rows for channel in row])


def shielded() -> Tensor:
    """All maps, then the field without information, then the cue: no map is next to it."""
    return _order([*OF_A, *OF_B, *NOISE, *CUES])


def informed(order: Tensor, size: int) -> list[int]:
    """The maps whose gate sees the cue, for channels in this order and a kernel of this size."""
    place = {channel: n for n, channel in enumerate(order.tolist())}
    return [c for c in OF_A + OF_B if any(abs(place[c] - place[cue]) <= size // 2 for cue in CUES)]


def _eca(size: int = 3, *, shared: bool = True) -> Callable[[], nn.Module]:
    return lambda: TwoStreams(lambda c: EfficientChannel(c, size, shared=shared))


def _in_order(order: Callable[[], Tensor]) -> Callable[[], nn.Module]:
    return lambda: TwoStreams(lambda c: Reordered(EfficientChannel(c, 3), order()))


def random_order(channels: int = GROUPS * PER_GROUP) -> Tensor:
    """One of all orders, another for each seed."""
    return torch.randperm(channels)


_NO_GATE = Variant(
    "no gate",
    "plain",
    OF_SE.variant("no gate").build,
    "the level without the cue, which is cut off",
)
_ECA = Variant("ECA", "mechanism", _eca(), "the mechanism: one kernel of three weights")
_ALONE = Variant("k = 1", "ablation", _eca(1), "the same without neighbours: one weight in all")


def _ladder(
    *, name: str, question: str, variants: tuple[Variant, ...], steps: int = 400
) -> Experiment:
    """An experiment on the mean row, at the budget of SE's chapter unless said otherwise."""
    return Experiment(
        name=name,
        question=question,
        task=lambda: StatisticLadder("mean"),
        variants=variants,
        quick=Budget(steps=steps),
        full=Budget(steps=steps),
        data="statistic ladder on scikit-learn digits",
        matters=0.01,
    )


WHICH_STREAM = _ladder(
    name="which_stream",
    question="How much of the matrix between means and gates does the mean row need?",
    variants=(
        _NO_GATE,
        _ALONE,
        Variant(
            "diagonal",
            "ablation",
            lambda: TwoStreams(lambda c: Blocks(c, c)),
            "a weight for each channel and no exchange",
        ),
        Variant(
            "blocks",
            "plain",
            lambda: TwoStreams(lambda c: Blocks(c, GROUPS)),
            "a full matrix inside each of the four groups, each with a cue of its own",
        ),
        Variant(
            "full matrix",
            "plain",
            lambda: TwoStreams(lambda c: Blocks(c, 1)),
            "every gate from every mean, without a hidden layer",
        ),
        Variant("SE", "plain", OF_SE.variant("SE").build, "every gate from every mean"),
        Variant(
            "mixed SE",
            "plain",
            lambda: TwoStreams(Mixed),
            "SE behind a 1x1 convolution and a ReLU: the strongest rival with a gate",
        ),
        Variant(
            "CNN", "plain", OF_SE.variant("CNN").build, "an ordinary network that sees all inputs"
        ),
        Variant("deep CNN", "plain", OF_SE.variant("deep CNN").build, "the same with two layers"),
        Variant(
            "ECA-NS",
            "ablation",
            _eca(shared=False),
            "a kernel for each channel: is it the sharing?",
        ),
        _ECA,
    ),
)

LONGER = _ladder(
    name="longer",
    question="Do more steps make up for the sharing?",
    variants=tuple(WHICH_STREAM.variant(name) for name in ("SE", "ECA-NS", "ECA")),
    steps=2_000,
)

REACH = _ladder(
    name="reach",
    question="What does a wider kernel bring?",
    variants=(
        _NO_GATE,
        _ALONE,
        Variant("k = 3", "mechanism", _eca(3), "one neighbour on each side"),
        Variant("k = 5", "mechanism", _eca(5), "two on each side"),
        Variant("k = 7", "mechanism", _eca(7), "three on each side"),
        Variant("k = 63", "mechanism", _eca(63), "every gate sees every channel"),
    ),
)

ORDER = _ladder(
    name="order",
    question="What does ECA make of the same channels in another order?",
    variants=(
        _NO_GATE,
        Variant("as built", "mechanism", _eca(), "the cue behind the maps of both digits"),
        Variant(
            "opposite sides",
            "mechanism",
            _in_order(opposite),
            "as many maps see the cue, those of B from the other side",
        ),
        Variant("between", "mechanism", _in_order(between), "each cue between a map of A and of B"),
        Variant("random", "mechanism", _in_order(random_order), "another order for each seed"),
        Variant("shielded", "ablation", _in_order(shielded), "no map near the cue"),
        Variant(
            "shielded, mixed",
            "mechanism",
            lambda: TwoStreams(lambda c: Reordered(Rotated(EfficientChannel(c, 3), c), shielded())),
            "the same behind a 1x1 convolution, which may choose another order",
        ),
        Variant(
            "shielded SE",
            "plain",
            lambda: TwoStreams(lambda c: Reordered(SqueezeExcitation(c, 4), shielded())),
            "SE in that order",
        ),
    ),
)


DIGITS = small_digits(
    "Does ECA help a small residual network to read real digits?",
    Variant("plain", "plain", reader(), "no gate"),
    Variant("SE", "plain", reader(lambda c: SqueezeExcitation(c, 4)), "all means, two layers"),
    Variant("diagonal", "ablation", reader(lambda c: Blocks(c, c)), "a weight for each channel"),
    Variant(
        "ECA, reordered",
        "ablation",
        reader(lambda c: Reordered(EfficientChannel(c), random_order(c))),
        "a random order of channels in front of each block, from the first step on",
    ),
    Variant("ECA", "mechanism", reader(EfficientChannel), "the mechanism, three weights"),
)

EXPERIMENTS = (WHICH_STREAM, ORDER, LONGER, REACH, DIGITS)
