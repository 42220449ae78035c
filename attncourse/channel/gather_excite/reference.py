"""Gather-Excite straight from its equations, with loops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def gather_excite_reference(
    x: Float[Tensor, "b c h w"],
    extent: int | None,
    steps: Sequence[tuple[Tensor, Tensor, Tensor]] = (),
    layers: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
    *,
    rectify: bool = True,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (7), one channel, one cell and one position at a time.

    Args:
        x: the features.
        extent: side of a cell, or ``None`` for the whole map.
        steps: for each learned step its kernels (c, p, q) and the normalisation behind it as a
            scale and a shift (c); none for the mean.
        layers: W1, b1, W2, b2 of (7), or ``None`` for (2).
        rectify: the ReLU in front of those layers, which SE has not.
    """
    _, channels, height, width = x.shape
    z = [x[:, c] for c in range(channels)]
    if not steps:
        e = max(height, width) if extent is None else extent
        z = [_window_means(one, e) for one in z]
    for number, (kernel, factor, shift) in enumerate(steps):
        move = _strided if extent is not None else _whole
        z = [move(one, kernel[c]) * factor[c] + shift[c] for c, one in enumerate(z)]
        if number < len(steps) - 1:
            z = [one.clamp(min=0) for one in z]
    if layers is not None:
        z = [one.clamp(min=0) for one in z] if rectify else z
        w1, b1, w2, b2 = layers
        hidden = [
            (sum(w1[d, c] * z[c] for c in range(channels)) + b1[d]).clamp(min=0)
            for d in range(len(w1))
        ]
        z = [sum(w2[c, d] * h for d, h in enumerate(hidden)) + b2[c] for c in range(channels)]
    rows, columns = z[0].shape[1:]
    maps = []
    for c in range(channels):
        s = 1 / (1 + torch.exp(-z[c]))
        line = [
            s[:, i * rows // height, j * columns // width] * x[:, c, i, j]
            for i in range(height)
            for j in range(width)
        ]
        maps.append(torch.stack(line, dim=1).view_as(x[:, c]))
    return torch.stack(maps, dim=1)


def _window_means(x: Tensor, e: int) -> Tensor:
    _, height, width = x.shape
    rows = []
    for u in range(0, height, e):
        inside = slice(max(u - e + 1, 0), u + e)
        cells = [
            x[:, inside, max(v - e + 1, 0) : v + e].flatten(1).mean(dim=1)
            for v in range(0, width, e)
        ]
        rows.append(torch.stack(cells, dim=1))
    return torch.stack(rows, dim=1)


def _strided(x: Tensor, kernel: Tensor) -> Tensor:
    """A 3 x 3 kernel at every other position, with zeros beyond the border."""
    _, height, width = x.shape
    rows = []
    for i in range(0, height, 2):
        line = []
        for j in range(0, width, 2):
            total = torch.zeros_like(x[:, 0, 0])
            for p in range(3):
                for q in range(3):
                    if 0 <= i + p - 1 < height and 0 <= j + q - 1 < width:
                        total = total + kernel[p, q] * x[:, i + p - 1, j + q - 1]
            line.append(total)
        rows.append(torch.stack(line, dim=1))
    return torch.stack(rows, dim=1)


def _whole(x: Tensor, kernel: Tensor) -> Tensor:
    return (x * kernel).sum(dim=(1, 2))[:, None, None]
