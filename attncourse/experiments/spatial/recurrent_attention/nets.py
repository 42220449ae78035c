"""The networks of the experiments on RAM and DRAM: looks of other kinds, and the whole image."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import DeepRecurrentAttention, RecurrentAttention
from attncourse.spatial.recurrent_attention.sensor import read_glimpse


class RandomLook(DeepRecurrentAttention):
    """The same network with a second look anywhere, in training and in testing."""

    def decide(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A place drawn uniformly from the image."""
        place = 2 * torch.rand(state.shape[0], 2, device=state.device) - 1
        return place, torch.zeros_like(place), state.new_zeros(state.shape[0])


class Pathwise(DeepRecurrentAttention):
    """The same network with the same noise, and no cut between a sample and its mean.

    The loss reaches the policy by ordinary backpropagation: through the sample, the sensor and
    *where*.
    """

    def decide(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A sample that is a function of its mean; its density has no part in the loss."""
        mean = self.emit(state)
        noise = self.std * torch.randn_like(mean) if self.training else 0.0
        return (mean + noise).clamp(-1, 1), mean, mean.new_zeros(mean.shape[0])


class HardCrop(DeepRecurrentAttention):
    """Windows are cut at whole pixels: a step function of the location."""

    def look(self, x: Tensor, location: Tensor) -> Tensor:
        """What is seen and where, both at the nearest whole pixel."""
        return super().look(x, whole_pixels(x, location, self.glimpse))


class HardCropPathwise(HardCrop, Pathwise):
    """A hard crop, and backpropagation through it: its gradient is zero."""


class StraightThrough(Pathwise):
    """A hard crop that backpropagation takes for a bilinear reading of the place it was drawn at.

    Values are those of the crop at whole pixels; the slopes of window and place are made up.
    """

    def look(self, x: Tensor, location: Tensor) -> Tensor:
        """Equation (3) of the hard crop, with the derivatives of a reading between pixels."""
        place = whole_pixels(x, location, self.glimpse)
        smooth = read_glimpse(x, location, self.glimpse, self.scales)
        pixels = smooth + (read_glimpse(x, place, self.glimpse, self.scales) - smooth).detach()
        what = self.what_out(F.relu(self.what_in(pixels.flatten(1))))
        place = location + (place - location).detach()
        where = self.where_out(F.relu(self.where_in(place)))
        return F.relu(what) * F.relu(where)


def whole_pixels(x: Tensor, location: Tensor, size: int) -> Tensor:
    """The nearest location whose window of ``size`` covers whole pixels of ``x``."""
    lengths = location.new_tensor([x.shape[3], x.shape[2]])
    reach = (lengths - size).clamp(min=1) / 2
    half = (lengths - size) / 2 % 1  # an odd remainder puts whole pixels half a step off
    return ((location * reach + half).round() - half) / reach


class WholeImage(nn.Module):
    """A small convolutional network that reads every pixel.

    Shape:
        - x: (b, 1, side, side)
        - y: (b, 10)
    """

    def __init__(self, side: int = 20) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.hidden = nn.Linear(16 * (side // 4) ** 2, 128)
        self.classify = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Two convolutions with pooling, two layers."""
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        scores: Tensor = self.classify(F.relu(self.hidden(x.flatten(1))))
        return scores


def dram(
    kind: type[DeepRecurrentAttention] = DeepRecurrentAttention, **options: Any
) -> DeepRecurrentAttention:
    """DRAM's recurrence: what times where, a state that reads and one that decides."""
    return kind(1, steps=2, features=64, width=128, **options)


def ram(width: int = 128, **options: Any) -> RecurrentAttention:
    """RAM's recurrence: what plus where, one state."""
    return RecurrentAttention(1, steps=2, features=64, width=width, **options)
