"""GaterNet one filter at a time: equations (1) to (6) as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.layers import as_affine

#: Kernels (o, a, 3, 3) of a layer, and what scales and shifts each of its maps, (o,).
Layer = tuple[Tensor, Tensor, Tensor]


def _row(weights: Tensor, given: list[Tensor]) -> Tensor:
    total = weights.new_zeros(())
    for weight, value in zip(weights, given, strict=True):
        total = total + weight * value
    return total


def _maps(maps: Tensor, layer: Layer, stride: int) -> list[Tensor]:
    """The rectified map of every filter, (h, w) each."""
    found = []
    for kernel, slope, shift in zip(*layer, strict=True):
        seen = F.conv2d(maps[None], kernel[None], stride=stride, padding=1)[0, 0]
        found.append((slope * seen + shift).clamp(min=0))
    return found


def gater_reference(
    x: Float[Tensor, "b c h w"],
    backbone: Sequence[Layer],
    gater: Sequence[Layer],
    first: Sequence[Tensor],
    second: Sequence[Tensor],
    *,
    discrete: bool = True,
) -> Float[Tensor, "b o h w"]:
    """Equations (1) to (6) without noise, one image and one filter at a time.

    Args:
        x: the images.
        backbone: its layers.
        gater: the layers of E.
        first: weight, bias, scale and shift of the bottleneck, (2).
        second: weight and bias of the scores, (3).
        discrete: hard gates with the slope of soft ones, or soft gates.
    """
    images = []
    for image in x:
        maps = image
        for layer in gater:
            maps = torch.stack(_maps(maps, layer, 2))
        features = [channel.sum() / channel.numel() for channel in maps]
        z = [
            (slope * (_row(row, features) + bias) + shift).clamp(min=0)
            for row, bias, slope, shift in zip(*first, strict=True)
        ]  # (2)
        tau = [_row(row, z) + bias for row, bias in zip(*second, strict=True)]  # (3)
        gates = iter([_gate(score, discrete) for score in tau])
        maps = image
        for layer in backbone:
            maps = torch.stack([next(gates) * one for one in _maps(maps, layer, 1)])  # (1)
        images.append(maps)
    return torch.stack(images)


def _gate(score: Tensor, discrete: bool) -> Tensor:
    soft = (1.2 / (1 + torch.exp(-score)) - 0.1).clamp(0, 1)  # (4)
    if not discrete:
        return soft
    return (score > 0).to(soft) + (soft - soft.detach())  # (6), with the slope of (5)


def parts_of(module: Any) -> dict[str, Any]:
    """A GaterNet's parameters as :func:`gater_reference` takes them."""

    def layers(net: Any) -> list[Layer]:
        return [
            (conv.weight, *as_affine(norm)) for conv, norm in zip(net.convs, net.norms, strict=True)
        ]

    gater = module.gater
    return {
        "backbone": layers(module),
        "gater": layers(gater),
        "first": (gater.reduce.weight, gater.reduce.bias, *as_affine(gater.norm)),
        "second": (gater.expand.weight, gater.expand.bias),
        "discrete": module.discrete,
    }
