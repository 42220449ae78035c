"""The networks of the experiments on Highway layers and selective kernels, and their controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.branch.selective_kernel import SelectiveKernel
from attncourse.branch.selective_kernel.highway import Highway, carry

#: Mean and spread of the training pixels of scikit-learn's digits.
_MEAN, _SPREAD = 0.3051, 0.3758

# ---------------------------------------------------------------- depth


class PlainLayer(nn.Module):
    """ReLU(W x + b), in He's scale: a Highway layer without its gate."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transform = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.transform.weight, nonlinearity="relu")
        nn.init.zeros_(self.transform.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The transformed branch alone."""
        return F.relu(self.transform(x))


class IdentityStart(PlainLayer):
    """A plain layer that starts as the identity: W = 1, b = 0, and the ReLU lets x >= 0 through.

    Nothing leads around it, and nothing is gated.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        nn.init.eye_(self.transform.weight)


class ConstantGate(PlainLayer):
    """A Highway layer whose gate is one number that is neither learned nor looks at x."""

    def __init__(self, width: int, gate_bias: float) -> None:
        super().__init__(width)
        self.share = 1 / (1 + math.exp(-gate_bias))

    def forward(self, x: Tensor) -> Tensor:
        """``share`` of the transformed branch, the rest of x."""
        return carry(torch.full_like(x, self.share), super().forward(x), x)


class DeepNet(nn.Module):
    """Many layers of one width between two linear maps.

    Args:
        layer: width -> one layer.
        depth: number of layers.
        width: units of each.

    Shape:
        - x: (b, 1, 8, 8), digits with pixels from 0 to 1
        - logits: (b, 10)
    """

    def __init__(self, layer: Callable[[int], nn.Module], depth: int = 50, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.layers = nn.Sequential(*(layer(width) for _ in range(depth)))
        self.classifier = nn.Linear(width, 10)

    def embed(self, x: Tensor) -> Tensor:
        """What enters the first layer, (b, width)."""
        return F.relu(self.stem((x.flatten(1) - _MEAN) / _SPREAD))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the images ``x``."""
        return self.classifier(self.layers(self.embed(x)))

    def likeness(self, x: Tensor) -> Tensor:
        """Mean cosine of the angle between different images, after 0, 1, ... layers."""
        means, state = [], self.embed(x)
        for layer in (nn.Identity(), *self.layers):
            state = layer(state)
            unit = F.normalize(state, dim=1)
            cosines = unit @ unit.mT
            means.append((cosines.sum() - cosines.trace()) / (len(x) * (len(x) - 1)))
        return torch.stack(means)


def highway(gate_bias: float, depth: int = 50) -> DeepNet:
    """A deep network of Highway layers."""
    return DeepNet(partial(Highway, gate_bias=gate_bias), depth)


# ---------------------------------------------------------------- scale


class EvenMixture(SelectiveKernel):
    """Both branches, always in equal shares: a selective kernel that does not choose."""

    def __init__(self, channels: int, reduction: int = 16, **options: object) -> None:
        super().__init__(channels, reduction, **options)  # type: ignore[arg-type]
        del self.reduce, self.scores
        self.norm = nn.Identity()  # type: ignore[assignment]

    def weigh(self, paths: Sequence[Tensor]) -> Tensor:
        """1 / k for every branch and channel."""
        b, c = paths[0].shape[:2]
        return paths[0].new_full((b, len(paths), c), 1 / len(paths))


class Shuffled(SelectiveKernel):
    """A selective kernel that applies the weights of another image of the batch."""

    def weigh(self, paths: Sequence[Tensor]) -> Tensor:
        """The weights of the image before."""
        return super().weigh(paths).roll(1, dims=0)


class ScaleNet(nn.Module):
    """A stem of stride 2, two selective kernels, the largest response of each channel, a readout.

    Args:
        block: channels -> a selective kernel, or one of its controls.
        readout: ``largest`` response of each channel, or the ``mean``, as in the paper's network.

    Shape:
        - x: (b, 1, h, w)
        - logits: (b, 10)
    """

    def __init__(self, block: Callable[[int], SelectiveKernel], readout: str = "largest") -> None:
        super().__init__()
        self.readout = readout
        self.stem = _convolution(1, 16, 3, stride=2)
        self.first = block(16)
        self.widen = _convolution(16, 32, 1)
        self.second = block(32)
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the images ``x``."""
        features = self.second(self.widen(self.first(self.stem(x))))
        pool = torch.amax if self.readout == "largest" else torch.mean
        return self.classifier(pool(features, dim=(2, 3)))

    def attention(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The weights (b, k, c) of both selective kernels."""
        stem = self.stem(x)
        return self.first.g(stem), self.second.g(self.widen(self.first(stem)))


def selective(
    kind: type[SelectiveKernel] = SelectiveKernel,
    dilations: Sequence[int] = (1, 2),
    readout: str = "largest",
    groups: int = 4,
    min_hidden: int = 16,
) -> ScaleNet:
    """A :class:`ScaleNet` with blocks of this kind, small enough for two processor cores."""
    return ScaleNet(
        lambda c: kind(c, dilations=dilations, groups=groups, min_hidden=min_hidden), readout
    )


def _convolution(before: int, after: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
