"""The network of the twin task, and what stands in the place of the non-local block."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import NonLocal
from attncourse.spatial.non_local import tokens
from attncourse.spatial.non_local.pairwise import Concatenation
from attncourse.tasks.twin import CHANNELS, COLOURS

WIDTH = 32


class PixelNet(nn.Module):
    """Four layers that see one pixel each, with a place for a block in the middle.

    Args:
        block: number of channels -> module that maps (b, c, h, w) to the same shape; the only
            place where one position can hear of another.
        width: channels of every layer.
        channels: of the images.
    """

    def __init__(
        self, block: Callable[[int], nn.Module], width: int = WIDTH, channels: int = CHANNELS
    ) -> None:
        super().__init__()
        self.before = nn.Sequential(
            nn.Conv2d(channels, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1)
        )
        self.block = block(width)
        self.after = nn.Sequential(
            nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, COLOURS, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) -> the colour of every position, (b, 3, h, w)."""
        return self.after(self.block(self.before(x)))


def pixel_net(block: Callable[[int], nn.Module]) -> Callable[[], PixelNet]:
    """A factory of such networks."""
    return lambda: PixelNet(block)


class Window(nn.Module):
    """A residual 7 x 7 convolution: it hears 48 neighbours, each through its offset."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3), nn.ReLU(), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.body(x)


class SharedContext(nn.Module):
    """One attention map for all queries, as in a global context block.

    What it adds is the same vector at every position.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)
        first, last = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.transform = nn.Sequential(first, nn.LayerNorm(channels), nn.ReLU(), last)
        nn.init.kaiming_normal_(self.score.weight, nonlinearity="relu")
        for start in (self.score.bias, last.weight, last.bias):
            assert start is not None
            nn.init.zeros_(start)

    def forward(self, x: Tensor) -> Tensor:
        """Add a function of a weighted mean over all positions to x."""
        weights = self.score(x).flatten(1).softmax(dim=1)
        context = torch.einsum("bcn,bn->bc", x.flatten(2), weights)
        return x + self.transform(context)[:, :, None, None]


class FrozenQueries(NonLocal):
    """A non-local block whose theta is zero and stays zero: nobody asks anything."""

    def __init__(self, channels: int, *, norm: bool = False) -> None:
        super().__init__(channels, norm=norm)
        theta = self.pairwise.get_submodule("theta")
        for parameter in theta.parameters():
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


class LeakyConcatenation(NonLocal):
    """The concatenation with a tenth of what its ReLU holds back: no pair ever falls silent.

    Equation (6) with max(s, s / 10) in the place of the ReLU of s.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, mode="concatenation", norm=False)

    def g(self, x: Tensor) -> Tensor:
        """The map, (b, n, n): leaky sums of a query's and a key's number over the keys' count."""
        assert isinstance(self.pairwise, Concatenation)
        alpha, beta = self.pairwise.scores(tokens(x), self.keys(x))
        return F.leaky_relu(alpha[:, :, None] + beta[:, None], 0.1) / beta.shape[1]

    def attend(self, x: Tensor) -> Tensor:
        """Through the map, which bisection cannot replace here."""
        return self.f(self.g(x), x)


class AuthorsSettings(NonLocal):
    """The softmax form as the authors' code sets it up.

    Logits over the root of d, keys and values from a map that is max-pooled by two, a batch
    normalisation whose scale starts at zero, and projections drawn with a spread of 0.01.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, scale=True, subsample=True)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
