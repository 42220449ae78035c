"""Ablations and rivals that many experiments share."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.channel.squeeze_excitation import SqueezeExcitation, scale, squeeze


class StaticGate(nn.Module):
    """A learned gate that is the same for every image: attention without looking.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Sigmoid(logits) times x."""
        return torch.sigmoid(self.logits)[:, None, None] * x


class Added(nn.Module):
    """A channel attention whose weights are added to the features, not multiplied.

    The information that the mechanism gathers is shared all the same; only the product is gone.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        """``x + g(x)``."""
        return x + self.attention.g(x)[:, :, None, None]


class Shifted(nn.Module):
    """SE's own two layers, whose result is added as it is: ``x + t(x)`` without a sigmoid.

    The shift t is unbounded, so a ReLU after it can silence a whole channel, as a shut gate does.

    Args:
        attention: has ``reduce`` and ``expand``, the two layers.
        rectify: follow the sum by a ReLU.
        sees: (c,) of ones and zeros, the channels whose means the layers get; by default all.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    sees: Tensor | None

    def __init__(
        self, attention: SqueezeExcitation, *, rectify: bool, sees: Tensor | None = None
    ) -> None:
        super().__init__()
        self.attention, self.rectify = attention, rectify
        self.register_buffer("sees", sees, persistent=False)

    def shift(self, x: Tensor) -> Tensor:
        """t(x), (b, channels): the logits of SE's gates."""
        means = squeeze(x) if self.sees is None else self.sees * squeeze(x)
        hidden = torch.relu(self.attention.reduce(means))
        return self.attention.expand(hidden)

    def forward(self, x: Tensor) -> Tensor:
        """``x + t(x)``, rectified or not."""
        y = x + self.shift(x)[:, :, None, None]
        return torch.relu(y) if self.rectify else y


class TwoLayerGate(nn.Module):
    """SE's two layers on other numbers than the means of the channels.

    Args:
        channels: number of channels c.
        hidden: width between the layers.
        describe: x -> (b, numbers * channels), what the gates are decided from.
        numbers: how many numbers describe a channel.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(
        self, channels: int, hidden: int, describe: Callable[[Tensor], Tensor], numbers: int = 1
    ) -> None:
        super().__init__()
        self.describe = describe
        self.reduce = nn.Linear(numbers * channels, hidden)
        self.expand = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The gates of all numbers, times x."""
        return scale(torch.sigmoid(self.expand(F.relu(self.reduce(self.describe(x))))), x)


class Mixed(Attention):
    """SE's gates, decided on channels that a 1x1 convolution and a ReLU have mixed first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)
        self.attention = SqueezeExcitation(channels, reduction=4)

    def g(self, x: Tensor) -> Tensor:
        """Gates (b, c) of the mixed channels."""
        return self.attention.g(F.relu(self.mix(x)))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gates act on the channels as they were."""
        return self.attention.f(weights, x)


def cue_channels(channels: int) -> Tensor:
    """Ones for the cue's channels of the two-stream network, zeros for the digits', (channels,)."""
    place = torch.arange(channels) % 8  # four groups of six content maps and two cue fields
    return (place >= 6).float()


class CueOnly(Attention):
    """Gates that are decided on the cue channels alone; the digits are zero there.

    Args:
        channels: number of channels of the two-stream network.
        attention: decides, from all channels that it is given.
    """

    cue: Tensor

    def __init__(self, channels: int, attention: Attention) -> None:
        super().__init__()
        self.attention = attention
        self.register_buffer("cue", cue_channels(channels)[:, None, None], persistent=False)

    def g(self, x: Tensor) -> Tensor:
        """Gates (b, c) of the cue."""
        return self.attention.g(x * self.cue)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gates act on all channels."""
        return self.attention.f(weights, x)
