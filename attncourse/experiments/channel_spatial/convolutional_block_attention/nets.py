"""Networks around one block: what reads its output is linear, so that only the block can judge."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel.squeeze_excitation import scale, squeeze
from attncourse.channel_spatial import (
    BottleneckAttention,
    ConcurrentSqueezeExcitation,
    ConvolutionalBlockAttention,
)
from attncourse.channel_spatial.convolutional_block_attention.module import largest
from attncourse.tasks.markers import CHANNELS, MARKERS


class Believer(nn.Module):
    """A block, then a linear readout of the means of the voice and its negative.

    Args:
        block: maps (b, c, h, w) to the same shape.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, 2)."""
        return self.head(8 * squeeze(self.block(x)[:, -2:]))


def ordinary(channels: int, width: int) -> nn.Module:
    """Two layers that see one pixel each, a mean over pixels, and two layers more: no gate."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 2),
    )  # fmt: skip


class Payer(nn.Module):
    """Channel gates on the eight channels, then a linear readout of the four payloads' means.

    Args:
        gate: x -> gates (b, 8), or nothing.
    """

    def __init__(self, gate: nn.Module | None) -> None:
        super().__init__()
        self.gate = gate
        self.head = nn.Linear(MARKERS, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 8, h, w) -> (b, 2)."""
        y = x if self.gate is None else scale(self.gate(x), x)
        return self.head(squeeze(y[:, MARKERS:]))


class OfStatistics(nn.Module):
    """CBAM's own channel gates, equation (2), by one statistic or by both.

    Args:
        statistics: of :class:`~attncourse.channel_spatial.ConvolutionalBlockAttention`.
    """

    def __init__(self, statistics: str) -> None:
        super().__init__()
        self.block = ConvolutionalBlockAttention(CHANNELS, 1, statistics=statistics, norm=False)
        self.block.conv = None  # type: ignore[assignment]  # no positions here

    def forward(self, x: Tensor) -> Tensor:
        """Gates, (b, 8)."""
        return self.block.judge_channels(x)


class OwnLayers(nn.Module):
    """The same with two layers for each statistic in place of two for both.

    Args:
        hidden: units between the two layers of a statistic.
    """

    def __init__(self, hidden: int = CHANNELS) -> None:
        super().__init__()
        self.of_mean, self.of_largest = (
            nn.Sequential(nn.Linear(CHANNELS, hidden), nn.ReLU(), nn.Linear(hidden, CHANNELS))
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Gates, (b, 8)."""
        return torch.sigmoid(self.of_mean(squeeze(x)) + self.of_largest(largest(x)))


class MeanOfReLU(nn.Module):
    """Gates by means alone, of channels that a 1x1 convolution and a ReLU have made first."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.gates = OfStatistics("mean")

    def forward(self, x: Tensor) -> Tensor:
        """Gates, (b, 8)."""
        return self.gates(F.relu(self.before(x)))


class ResidualReLU(nn.Module):
    """``x + V relu(W x)``: a per-pixel bend without any gate.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = nn.Conv2d(channels, channels, 1)
        self.back = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.back(F.relu(self.inside(x)))


class OneGate(ConcurrentSqueezeExcitation):
    """cSE or sSE alone.

    Args:
        channels: of the features.
        keep: ``"channels"`` or ``"positions"``.
    """

    def __init__(self, channels: int, keep: str) -> None:
        super().__init__(channels)
        self.keep = keep
        if keep == "channels":
            self.score = None  # type: ignore[assignment]
        else:
            self.reduce = self.expand = None  # type: ignore[assignment]

    def attend(self, x: Tensor) -> Tensor:
        """One of the two gated maps."""
        if self.keep == "positions":
            return torch.sigmoid(self.score(x)) * x
        return scale(torch.sigmoid(self.expand(F.relu(self.reduce(squeeze(x))))), x)


class Multiplied(ConcurrentSqueezeExcitation):
    """scSE's two gates, one behind the other in place of two gated maps added."""

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """``a m x``, (b, c, h, w)."""
        a, m = weights
        return scale(a, m[:, None] * x)


class OfOnePixel(BottleneckAttention):
    """BAM with its two 3x3 convolutions made 1x1, so that a vote sees its own column alone.

    Args:
        channels: of the features.
        reduction: divisor of the hidden width.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__(channels, reduction)
        d = self.hidden_channels
        self.convs[1], self.convs[2] = nn.Conv2d(d, d, 1), nn.Conv2d(d, d, 1)


def per_pixel(given: int, block: nn.Module, width: int, *, bent: bool) -> nn.Module:
    """1x1 layers around a block; ``bent`` puts a ReLU before it and one behind it."""
    before: list[nn.Module] = [nn.Conv2d(given, width, 1)]
    behind: list[nn.Module] = [nn.Conv2d(width, 1, 1)]
    if bent:
        before += [nn.ReLU(), nn.Conv2d(width, width, 1)]
        behind = [nn.Conv2d(width, width, 1), nn.ReLU(), *behind]
    return nn.Sequential(*before, block, *behind)
