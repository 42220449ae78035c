"""Gather and excite as functions: the mean over windows, the gates over their cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.precision import at_least_single


def gather_mean(x: Float[Tensor, "b c h w"], extent: int | None) -> Float[Tensor, "b c p q"]:
    """Equation (1): means over windows of 2 e - 1 positions, one every e; ``None`` is all.

    A window that hangs over the border is averaged over the positions inside.
    """
    x = x.to(at_least_single(x))
    if extent is None:
        return x.mean(dim=(2, 3), keepdim=True)
    window, beyond = 2 * extent - 1, extent - 1
    return F.avg_pool2d(x, window, extent, beyond, count_include_pad=False)


def spread(s: Float[Tensor, "b c p q"], size: Sequence[int]) -> Float[Tensor, "b c h w"]:
    """Every gate at the positions of its cell, by the nearest neighbour: the map in (3)."""
    return F.interpolate(s, size=tuple(size), mode="nearest")


def excite(s: Float[Tensor, "b c p q"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Equation (3): every position times the gate of its cell.

    Where the cells are of equal height, a row of gates is spread once and meets its e rows of
    features from there, so that the map of gates is never built.
    """
    (rows, _), (height, width) = s.shape[2:], x.shape[2:]
    if s.shape[2:] == (1, 1):
        return s * x
    if _is_captured() or height % rows:
        return spread(s, (height, width)) * x
    row = spread(s, (rows, width))[:, :, :, None]
    return (row * x.unflatten(2, (rows, -1))).flatten(2, 3)


def _is_captured() -> bool:
    """Whether a graph is being made, whose sizes may change later."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
