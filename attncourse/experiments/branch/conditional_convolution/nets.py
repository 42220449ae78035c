"""The networks of the experiment *four worlds*, and what stands in the place of the routing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.branch.conditional_convolution import (
    ConditionalConvolution,
    DynamicConvolution,
    annealed,
)
from attncourse.channel.squeeze_excitation import SqueezeExcitation
from attncourse.tasks.four_worlds import STYLES

#: Filters of the three convolutions: few on purpose, so that they are short in four worlds.
WIDTHS = (3, 3, 6)
KERNELS = len(STYLES)
Layer = Callable[[int, int, int], nn.Module]

# ---------------------------------------------------------------- layers: before, after, stride


def plain(before: int, after: int, stride: int) -> nn.Conv2d:
    """One kernel for all images, in He's scale."""
    made = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    return made


def routed(before: int, after: int, stride: int) -> ConditionalConvolution:
    """CondConv with four kernels."""
    return ConditionalConvolution(before, after, experts=KERNELS, stride=stride)


class Shuffled(ConditionalConvolution):
    """CondConv that applies the weights of another image of the batch, in training too."""

    def g(self, x: Tensor) -> Tensor:
        """The weights of the image before."""
        return super().g(x).roll(1, dims=0)


class SameForAll(ConditionalConvolution):
    """Four kernels, mixed by four learned sigmoids that see no image: one static kernel."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.router
        self.logits = nn.Parameter(torch.zeros(self.experts))

    def g(self, x: Tensor) -> Tensor:
        """The same for every image."""
        return torch.sigmoid(self.logits).expand(len(x), -1)


class Handed(ConditionalConvolution):
    """CondConv without a router: the network hands it the weights of each image."""

    weights: Tensor

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.router

    def g(self, x: Tensor) -> Tensor:
        """As handed over."""
        return self.weights.to(x.dtype)


def of_kind(kind: type[ConditionalConvolution]) -> Layer:
    """Layers of a control."""
    return lambda before, after, stride: kind(before, after, experts=KERNELS, stride=stride)


def dynamic(temperature: float) -> Layer:
    """Dynamic convolution with four kernels, without biases, since a normalisation follows."""
    return lambda before, after, stride: DynamicConvolution(
        before, after, experts=KERNELS, stride=stride, bias=False, temperature=temperature
    )


# ---------------------------------------------------------------- networks


class WorldNet(nn.Module):
    """Three 3 x 3 convolutions, each with BatchNorm and ReLU, a 2 x 2 average, a readout.

    Args:
        layer: (channels before, channels after, stride) -> convolution.
        widths: filters of the three.
        sees_style: give the style to the network, as four planes of zeros and ones.
        anneal: steps over which the temperature falls from 30 to 1, for dynamic convolution.

    Shape:
        - x: (b, 1 or 2, 8, 8); a second channel, if any, holds the number of the style
        - logits: (b, 10)
    """

    count: Tensor

    def __init__(
        self,
        layer: Layer = plain,
        widths: Sequence[int] = WIDTHS,
        *,
        sees_style: bool = False,
        anneal: int | None = None,
    ) -> None:
        super().__init__()
        before = (1 + len(STYLES) if sees_style else 1, *widths[:2])
        self.sees_style, self.anneal = sees_style, anneal
        self.convs = nn.ModuleList(map(layer, before, widths, (1, 2, 1)))
        self.norms = nn.ModuleList(map(nn.BatchNorm2d, widths))
        self.classifier = nn.Linear(4 * widths[-1], 10)
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the images ``x``."""
        if self.training and self.anneal:
            for conv in self.convs:
                conv.anneal(annealed(int(self.count), self.anneal))  # type: ignore[operator]
            self.count += 1
        return self.classifier(F.avg_pool2d(self.features(x), 2).flatten(1))

    def features(self, x: Tensor, upto: int = 3) -> Tensor:
        """What comes out of the first ``upto`` convolutions with BatchNorm and ReLU."""
        x = self.prepared(x)
        for conv, norm in list(zip(self.convs, self.norms, strict=True))[:upto]:
            x = F.relu(norm(conv(x)))
        return x

    def prepared(self, x: Tensor) -> Tensor:
        """The image, with the style where this network is told it."""
        image = x[:, :1]
        if not self.sees_style:
            return image
        planes = _one_hot_style(x)[:, :, None, None].to(x.dtype)
        return torch.cat([image, planes.expand(-1, -1, *image.shape[2:])], dim=1)

    def routing(self, x: Tensor) -> list[Tensor]:
        """The weights (b, k) of the three layers."""
        return [conv.g(self.features(x, n)) for n, conv in enumerate(self.convs)]  # type: ignore[operator]


class StyleNet(WorldNet):
    """Every layer has a kernel for each style, chosen by the true style."""

    def __init__(self) -> None:
        super().__init__(of_kind(Handed))

    def prepared(self, x: Tensor) -> Tensor:
        """The image; the layers get the style."""
        for conv in self.convs:
            conv.weights = _one_hot_style(x)
        return super().prepared(x)


class SharedNet(WorldNet):
    """One routing vector, made from the image, for all three layers."""

    def __init__(self) -> None:
        super().__init__(of_kind(Handed))
        self.convs[0] = routed(1, WIDTHS[0], 1)

    def prepared(self, x: Tensor) -> Tensor:
        """The image; the later layers get the weights of the first."""
        image = super().prepared(x)
        weights = self.convs[0].g(image)  # type: ignore[operator]
        for conv in self.convs[1:]:
            conv.weights = weights
        return image


def static_first(before: int, after: int, stride: int) -> nn.Module:
    """Dynamic convolution but for the layer that sees the image."""
    return (plain if before == 1 else dynamic(1.0))(before, after, stride)


def gated(before: int, after: int, stride: int) -> nn.Sequential:
    """A static convolution and SE's gates on its output."""
    return nn.Sequential(plain(before, after, stride), SqueezeExcitation(after, reduction=1))


def _one_hot_style(x: Tensor) -> Tensor:
    return F.one_hot(x[:, -1, 0, 0].round().long(), len(STYLES))


def entropy(shares: Tensor) -> Tensor:
    """Of each row of shares, in units of its largest possible value."""
    return -(shares * shares.clamp(min=1e-12).log()).sum(dim=1) / math.log(shares.shape[1])
