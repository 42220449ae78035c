"""A localisation network that works at any image size and can be exported."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.layers import accepted
from attncourse.precision import exact
from attncourse.spatial.spatial_transformer.sampler import target_points


def moments(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 3"]:
    """Mean of each channel, mean of x times it, mean of y times it: how much, and where."""
    height, width = x.shape[2:]
    points = target_points(height, width, like=x).flatten(0, 1)
    basis = torch.cat([torch.ones_like(points[:, :1]), points], dim=1) / (height * width)
    return x.flatten(2) @ basis


class MomentLocalisation(nn.Module):
    """Two strided convolutions, moments of their maps, one hidden layer.

    A mean alone forgets where things are, which is what is asked here; a flattened map knows,
    but fixes the image's size.  The two first moments know, at any size.

    Args:
        channels: of the image.
        hidden_channels: d maps of the first convolution; the second one has 2 d.
        features: units of the hidden layer, which is the output.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: (b, channels, h, w)
        - output: (b, features)
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int = 8,
        features: int = 32,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("hidden_channels", hidden_channels), ("features", features)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        wide = 2 * hidden_channels
        self.near = nn.Conv2d(
            channels, hidden_channels, 5, 2, padding=2, device=device, dtype=dtype
        )
        self.far = nn.Conv2d(hidden_channels, wide, 3, 2, padding=1, device=device, dtype=dtype)
        self.mix = nn.Linear(3 * wide, features, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw all three layers anew from PyTorch's default."""
        self.near.reset_parameters()
        self.far.reset_parameters()
        self.mix.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """What the image's pose may be read from."""
        maps = F.relu(self.far(F.relu(self.near(x))))
        # Places in half precision would be pixels apart.
        with exact(x):
            return F.relu(self.mix(moments(accepted(self.mix, maps)).flatten(1)))


def parameter_count(channels: int, hidden_channels: int, features: int) -> int:
    """25 c d + d, 18 d^2 + 2 d and 6 d q + q."""
    d, q = hidden_channels, features
    return 25 * channels * d + d + 18 * d * d + 2 * d + 6 * d * q + q


def multiply_adds(height: int, width: int, channels: int, d: int, features: int) -> int:
    """Multiply-adds for one image; each convolution halves the map, rounding up."""
    once = -(-height // 2) * -(-width // 2)
    twice = -(-height // 4) * -(-width // 4)
    return 25 * channels * d * once + (18 * d * d + 6 * d) * twice + 6 * d * features
