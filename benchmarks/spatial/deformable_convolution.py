"""Deformable convolution: all taps in one kernel, against four gathered corners of every tap."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import DeformableConvolution
from benchmarks.case import Case, Form
from benchmarks.explicit import explicit


def block(modulated: bool) -> Callable[[tuple[int, ...]], DeformableConvolution]:
    """A maker of layers whose taps have left the lattice."""

    def make(shape: tuple[int, ...]) -> DeformableConvolution:
        made = DeformableConvolution(shape[1], modulated=modulated)
        nn.init.normal_(made.side.weight, std=0.02)
        return made

    return make


def gathered(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The form that circulates: pad, gather each corner for all channels, weigh, convolve.

    Indices and masks are written out for every channel, and the four corners stand side by side.
    What is gathered is laid out as an image of k x k blocks, which a convolution of stride k reads.
    """
    size, reach = module.kernel_size, module.padding

    def form(x: Tensor) -> Tensor:
        weights = module.g(x)
        offsets, mask = weights if isinstance(weights, tuple) else (weights, None)
        b, c, h, w = x.shape
        # Two more zeros around, so that a place that is clamped to them reads nothing.
        padded = F.pad(x, (2, 2, 2, 2))
        tall, wide = padded.shape[2:]
        step = torch.arange(size, device=x.device).to(x.dtype) - reach + 2
        rows = torch.arange(h, device=x.device).to(x.dtype)[:, None]
        columns = torch.arange(w, device=x.device).to(x.dtype)
        down = offsets[..., 0] + step.repeat_interleave(size)[:, None, None] + rows
        across = offsets[..., 1] + step.repeat(size)[:, None, None] + columns
        down, across = down.clamp(0, tall - 1), across.clamp(0, wide - 1)
        top, left = down.detach().floor(), across.detach().floor()
        shares, corners = [], []
        for row in (top, (top + 1).clamp(max=tall - 1)):
            for column in (left, (left + 1).clamp(max=wide - 1)):
                shares.append((1 - (down - row).abs()) * (1 - (across - column).abs()))
                index = (row * wide + column).long()[:, None].repeat(1, c, 1, 1, 1)
                corners.append(padded.flatten(2).gather(2, index.flatten(2)).view_as(index))
        weighted = [s[:, None] * corner for s, corner in zip(shares, corners, strict=True)]
        found = weighted[0] + weighted[1] + weighted[2] + weighted[3]
        if mask is not None:
            found = found * mask[:, None].repeat(1, c, 1, 1, 1)
        blocks = found.unflatten(2, (size, size)).permute(0, 1, 4, 2, 5, 3)
        image = blocks.reshape(b, c, size * h, size * w)
        return F.conv2d(image, module.weight, module.bias, stride=size)

    return form


def positions(shape: tuple[int, ...]) -> float:
    """What the derivation counts."""
    return shape[2] * shape[3]


CASES = tuple(
    Case(
        chapter="spatial/deformable_convolution",
        name=name,
        sizes={f"64 × {s} × {s}": (1, 64, s, s) for s in (14, 28, 56)},
        module=block(modulated),
        others={"textbook": explicit, "circulating": gathered},
        grows=positions,
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0, "circulating": 1.0},
        floors={"textbook": (None, 1.5), "circulating": (least, 3.5)},
        tolerance=1e-9,
    )
    # On a machine that does nothing else: 1.83 to 1.99 in five runs, with masks 1.77 to 1.89.
    for name, modulated, least in (
        ("Deformable convolution", False, 1.8),
        ("Modulated deformable convolution", True, 1.7),
    )
)
