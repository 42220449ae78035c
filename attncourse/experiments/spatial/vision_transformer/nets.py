"""Rivals of the vision transformer, what may stand in its attention's place, and small readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial.vision_transformer import MultiHeadAttention, VisionTransformer
from attncourse.spatial.vision_transformer.functional import split
from attncourse.tasks.base import seeded
from attncourse.tasks.missing_glyph import CELL, GLYPHS
from attncourse.tasks.same_glyph import CELL as SMALL_CELL
from attncourse.tasks.two_names import WIDTH as NAMES_WIDTH

SIDE = 4


def glyph_vit(
    heads: int = 4, depth: int = 2, mixer: Callable[[int, int], Any] = MultiHeadAttention
) -> VisionTransformer:
    """A transformer of width 32 for the missing glyph: a patch is a cell."""
    return VisionTransformer(SIDE * CELL, CELL, 1, GLYPHS, 32, heads, depth, 2, mixer=mixer)


class MeanMixing(MultiHeadAttention):
    """Every token reads the plain mean of all values; nobody asks."""

    def of_tokens(self, z: Tensor) -> Tensor:
        """The same mean for all tokens."""
        return self.out(self.value(z).mean(dim=1, keepdim=True)).expand_as(z)


class NoSoftmax(MultiHeadAttention):
    """Products of queries and keys over the number of tokens, without a softmax."""

    def of_tokens(self, z: Tensor) -> Tensor:
        """A sum of values that may have negative weights."""
        q, k, v = (split(layer(z), self.heads) for layer in (self.query, self.key, self.value))
        read = q @ (k.mT @ v) / (z.shape[1] * q.shape[3] ** 0.5)
        return self.out(read.transpose(1, 2).flatten(2))


def cell_cnn(width: int = 48) -> nn.Sequential:
    """A convolution that sees cells, three that see the whole raster, a head on all of it."""
    layers: list[nn.Module] = [nn.Conv2d(1, width, CELL, CELL), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    head = (nn.Flatten(), nn.Linear(SIDE**2 * width, 64), nn.GELU(), nn.Linear(64, GLYPHS))
    return nn.Sequential(*layers, *head)


def pixel_mlp(width: int = 512) -> nn.Sequential:
    """Two hidden layers on all pixels."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear((SIDE * CELL) ** 2, width), nn.ReLU(), nn.Linear(width, width),
        nn.ReLU(), nn.Linear(width, GLYPHS),
    )  # fmt: skip


def same_vit(mixer: Callable[[int, int], Any] = MultiHeadAttention) -> VisionTransformer:
    """The same transformer for images of 16 x 16 pixels."""
    return VisionTransformer(SIDE * SMALL_CELL, SMALL_CELL, 1, 2, 32, 4, 2, 2, mixer=mixer)


def same_cnn(hidden: int = 0, reach: int = 3) -> nn.Sequential:
    """Cells, one convolution over ``reach`` x ``reach`` of them, their mean, and a head."""
    width = 42
    head = (
        (nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 2))
        if hidden
        else (nn.Linear(width, 2),)
    )
    return nn.Sequential(
        nn.Conv2d(1, width, SMALL_CELL, SMALL_CELL), nn.ReLU(),
        nn.Conv2d(width, width, reach, padding=reach // 2), nn.BatchNorm2d(width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head,
    )  # fmt: skip


class NamesNet(nn.Module):
    """A linear layer, attention that is added to it, a readout for every token.

    Args:
        heads: of the attention.
        width: of the tokens inside.
        depth: layers of attention.
        before: hidden units in front of the attention, none for a linear layer.
        after: hidden units of the readout, none for a linear readout.
    """

    def __init__(
        self, heads: int, width: int = 32, depth: int = 1, before: int = 0, after: int = 0
    ) -> None:
        super().__init__()
        self.embed = _layers(NAMES_WIDTH, before, width)
        self.blocks = nn.ModuleList(MultiHeadAttention(width, heads) for _ in range(depth))
        self.read = _layers(width, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, 33) -> the answer of every token, (b, n, 1)."""
        z = self.embed(x)
        for block in self.blocks:
            assert isinstance(block, MultiHeadAttention)
            z = z + block.of_tokens(z)
        return self.read(z)


def _layers(inside: int, hidden: int, outside: int) -> nn.Module:
    if not hidden:
        return nn.Linear(inside, outside)
    return nn.Sequential(nn.Linear(inside, hidden), nn.GELU(), nn.Linear(hidden, outside))


#: Where each of the sixteen patches of a digit stands after the one fixed shuffle.
ORDER = torch.randperm(16, generator=seeded(26), device="cpu").tolist()


class Shuffled(nn.Module):
    """A network that is shown every digit with its 2 x 2 patches in one fixed other order."""

    def __init__(self, net: nn.Module, *, shuffle: bool = True) -> None:
        super().__init__()
        self.net, self.shuffle = net, shuffle

    def forward(self, x: Tensor) -> Tensor:
        """Logits of digits (b, 1, 8, 8)."""
        if self.shuffle:
            x = F.fold(F.unfold(x, 2, stride=2)[:, :, ORDER], (8, 8), 2, stride=2)
        return self.net(2 * x - 1)


def digit_vit(*, positions: bool = True) -> VisionTransformer:
    """Sixteen patches of 2 x 2 pixels, three layers."""
    return VisionTransformer(8, 2, 1, 10, 48, 4, 3, 2, positions=positions)


def digit_cnn() -> nn.Sequential:
    """Three convolutions, a pooling between them, a mean behind them."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def digit_mlp() -> nn.Sequential:
    """Two hidden layers on all pixels."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip
