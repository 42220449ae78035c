"""The two halves of TAM, which read the same profile: equations (2) and (3) of the chapter."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.layers import accepted
from attncourse.precision import exact, softmax
from attncourse.temporal.temporal_adaptive.cost import checked, hidden_width


class Importance(nn.Module):
    """Equation (2): a gate for every channel of every frame, from a few neighbouring frames.

    Args:
        channels: number of channels c.
        reduction: divisor of the hidden width, ``c // reduction``.
        kernel_size: frames that the first layer reads, odd.
        factory: device and dtype.
    """

    def __init__(
        self, channels: int, reduction: int = 4, kernel_size: int = 3, **factory: Any
    ) -> None:
        super().__init__()
        width, rim = hidden_width(channels, reduction), kernel_size // 2
        self.shrink = nn.Conv1d(channels, width, kernel_size, padding=rim, bias=False, **factory)
        self.norm = nn.BatchNorm1d(width, **factory)
        self.expand = nn.Conv1d(width, channels, 1, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Draw the layers anew, by PyTorch's defaults."""
        for layer in (self.shrink, self.norm, self.expand):
            layer.reset_parameters()

    def forward(self, z: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """V."""
        hidden = self.norm(self.shrink(accepted(self.shrink, z)))
        return torch.sigmoid(self.expand(torch.relu(hidden)))


class AdaptiveKernel(nn.Module):
    """Equation (3): a kernel over time for every channel, from the channel's whole profile.

    All channels share the two layers, and the normalisation takes every channel of every clip for
    a sample.

    Args:
        frames: length t of the clips.
        expansion: hidden units for each frame.
        kernel_size: number k of taps, odd.
        factory: device and dtype.
    """

    def __init__(
        self, frames: int, expansion: int = 2, kernel_size: int = 3, **factory: Any
    ) -> None:
        super().__init__()
        checked(frames, expansion, kernel_size)
        width = expansion * frames
        self.hidden = nn.Linear(frames, width, bias=False, **factory)
        self.norm = nn.BatchNorm1d(width, **factory)
        self.score = nn.Linear(width, kernel_size, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Draw the layers anew, by PyTorch's defaults."""
        for layer in (self.hidden, self.norm, self.score):
            layer.reset_parameters()

    def forward(self, z: Float[Tensor, "b c t"]) -> Float[Tensor, "b c k"]:
        """Theta."""
        with exact(z):  # logits that nothing scales leave the range of half precision
            rows = accepted(self.hidden, z.flatten(0, 1))
            logits = self.score(torch.relu(self.norm(self.hidden(rows))))
            return softmax(logits, dim=1).unflatten(0, z.shape[:2])
