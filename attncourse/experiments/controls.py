"""Ablations that many experiments share: what is left when a gate loses one property."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.attention import Attention


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
