"""Ablations that many experiments share: what is left when a gate loses one property."""

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

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(self, attention: SqueezeExcitation, *, rectify: bool) -> None:
        super().__init__()
        self.attention, self.rectify = attention, rectify

    def shift(self, x: Tensor) -> Tensor:
        """t(x), (b, channels): the logits of SE's gates."""
        hidden = torch.relu(self.attention.reduce(squeeze(x)))
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
