r"""The vision transformer around its attention: patches, class token, positions, blocks.

Equations of the chapter, for patches p of side P, width c, depth L:

.. math::
    z_0 &= [x_{cls}; E p_1 + b_E; \dots; E p_{n-1} + b_E] + E_{pos}                & (6)\\
    z' &= z + \mathrm{MSA}(\mathrm{LN}(z)), \qquad
    z \leftarrow z' + \mathrm{MLP}(\mathrm{LN}(z'))                                & (7)\\
    y &= W_y\, \mathrm{LN}(z_L)_{cls} + b_y

As in the official code: layer normalisation with eps 1e-6, class token and head start at zero,
positions at N(0, 0.02²), MLP kernels Xavier-uniform.  GELU is the exact one, as in torchvision;
the official code's is Flax's approximation by tanh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.spatial.vision_transformer.module import MultiHeadAttention

EPS = 1e-6
#: (width, heads) -> what mixes tokens: a module with ``of_tokens``.
Mixer = Callable[[int, int], Any]


class EncoderBlock(nn.Module):
    """Equation (7): attention, then an MLP, each behind a layer normalisation and added.

    Args:
        width: of a token, c.
        heads: of the attention.
        ratio: width of the MLP's hidden layer over c.
        mixer: what stands in the attention's place, for ablations.
    """

    def __init__(
        self, width: int, heads: int, ratio: int = 4, mixer: Mixer = MultiHeadAttention
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attention = mixer(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )
        for layer in (self.mlp[0], self.mlp[2]):
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, z: Tensor) -> Tensor:
        """Tokens (b, n, c) -> the same shape."""
        z = z + self.attention.of_tokens(self.norm1(z))
        return z + self.mlp(self.norm2(z))

    def with_maps(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the maps (b, M, n, n) that it read with."""
        normed = self.norm1(z)
        maps = self.attention.maps(normed)
        z = z + self.attention.read_with(maps, normed)
        return z + self.mlp(self.norm2(z)), maps


class VisionTransformer(nn.Module):
    """Patches, a class token and a position table; L blocks; a linear layer on the class token.

    Args:
        side: rows and columns of the image.
        patch: side P of a patch; it divides ``side``.
        in_channels: of the image.
        classes: numbers that the head gives.
        width: of a token, c.
        heads: of each attention.
        depth: number of blocks L.
        ratio: width of the MLP's hidden layer over c.
        positions: whether there is a position table.
        mixer: what stands in the attention's place, for ablations.

    Raises:
        ValueError: if the patches do not tile the image.

    Examples:
        >>> net = VisionTransformer(24, 6, in_channels=1, classes=4, width=32, heads=4, depth=2)
        >>> net(torch.randn(2, 1, 24, 24)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        side: int,
        patch: int,
        in_channels: int,
        classes: int,
        width: int,
        heads: int,
        depth: int,
        ratio: int = 4,
        *,
        positions: bool = True,
        mixer: Mixer = MultiHeadAttention,
    ) -> None:
        super().__init__()
        if patch < 1 or side % patch:
            raise ValueError(
                f"patch={patch} must divide side={side}: crop or pad the image, or choose another"
            )
        self.side, self.patch, self.grid = side, patch, side // patch
        self.embed = nn.Conv2d(in_channels, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        n = self.grid**2 + 1
        self.positions = nn.Parameter(0.02 * torch.randn(1, n, width)) if positions else None
        self.blocks = nn.ModuleList(EncoderBlock(width, heads, ratio, mixer) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def tokens(self, x: Tensor) -> Tensor:
        """Equation (6): (b, in_channels, side, side) -> (b, n, c), the class token first."""
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(
                f"x has {x.shape[2]} x {x.shape[3]} pixels and the position table fits "
                f"{self.side} x {self.side}: resize the image, or interpolate the table"
            )
        z = self.embed(x).flatten(2).mT
        z = torch.cat([self.cls.expand(len(z), -1, -1), z], dim=1)
        return z if self.positions is None else z + self.positions

    def encode(self, x: Tensor) -> Tensor:
        """The tokens behind all blocks and the last normalisation, (b, n, c)."""
        z = self.tokens(x)
        for block in self.blocks:
            z = block(z)
        return self.norm(z)

    def forward(self, x: Tensor) -> Tensor:
        """What the head says of the class token, (b, classes)."""
        return self.head(self.encode(x)[:, 0])

    @torch.no_grad()
    def maps(self, x: Tensor) -> Tensor:
        """What every layer and head looks at, (L, b, M, n, n)."""
        z, found = self.tokens(x), []
        for block in self.blocks:
            assert isinstance(block, EncoderBlock)
            z, maps = block.with_maps(z)
            found.append(maps)
        return torch.stack(found)


def vit_parameter_count(
    side: int, patch: int, in_channels: int, classes: int, width: int, depth: int, ratio: int = 4
) -> int:
    """Learned parameters; heads share the width, so their number does not enter."""
    c, n = width, (side // patch) ** 2 + 1
    embed = patch**2 * in_channels * c + c
    block = 4 * c**2 + 4 * c + 2 * ratio * c**2 + ratio * c + c + 4 * c
    return embed + c + n * c + depth * block + 2 * c + c * classes + classes


def vit_multiply_adds(
    side: int, patch: int, in_channels: int, classes: int, width: int, depth: int, ratio: int = 4
) -> int:
    """Multiply-adds of one image."""
    c, n = width, (side // patch) ** 2 + 1
    block = (4 + 2 * ratio) * n * c**2 + 2 * n**2 * c
    return (n - 1) * patch**2 * in_channels * c + depth * block + c * classes
