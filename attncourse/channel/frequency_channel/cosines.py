"""The waves of the discrete cosine transform: which ones, on which map, and the projection.

Symbols and equations are those of the package's ``module``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.layers import whole

#: A whole number, or what stands for one while a graph is recorded.
Size = Any
#: The sixteen pairs (u, v) in a 7 x 7 grid that the authors' models use, in their order.
TOP16: tuple[tuple[int, int], ...] = (
    (0, 0), (0, 1), (6, 0), (0, 5), (0, 2), (1, 0), (1, 2), (4, 0),
    (5, 0), (1, 6), (3, 0), (0, 4), (0, 6), (0, 3), (3, 5), (2, 2),
)  # fmt: skip
GRID = 7


def index(
    u: Int[Tensor, " k"], size: Size, grid: int = GRID, *, collapse: bool = False
) -> Int[Tensor, " k"]:
    """The index on a map of ``size`` rows of what is number ``u`` on a map of ``grid`` rows."""
    scaled = u * (size // grid)
    if collapse:
        return scaled
    return torch.maximum(scaled, u).clamp(max=size - 1)  # u times at least 1


def waves(u: Int[Tensor, " k"], size: Size, like: Tensor) -> Float[Tensor, "k size"]:
    """Equation (2): cosine waves of mean square 1, in the type and place of ``like``.

    Half precision gets float32 waves; whoever multiplies by them rounds once, at the end.
    """
    kind = torch.promote_types(like.dtype, torch.float32)
    places = torch.arange(size, dtype=kind, device=like.device) + 0.5
    wave = torch.cos(u.to(like.device, kind)[:, None] * (places * (math.pi / size)))
    return torch.where(u.to(like.device)[:, None] > 0, math.sqrt(2) * wave, wave)


def planes(
    u: Int[Tensor, " k"], v: Int[Tensor, " k"], height: Size, width: Size, like: Tensor
) -> Float[Tensor, "k h w"]:
    """The k waves in two dimensions: down times across."""
    return waves(u, height, like)[:, :, None] * waves(v, width, like)[:, None, :]


def project(x: Float[Tensor, "b c h w"], filters: Float[Tensor, "k h w"]) -> Float[Tensor, "b c"]:
    """Equation (3): the mean of each channel times the filter of its group."""
    b, c, h, w = x.shape
    k = filters.shape[0]
    weights = (filters / (h * w)).to(x.dtype).reshape(k, h * w, 1)
    # A matrix product for each group: the product of x and the filters is never written down.
    return (x.reshape(b, k, c // k, h * w) @ weights).reshape(b, c)


def checked_frequencies(
    frequencies: Sequence[tuple[int, int]], channels: int, grid: int
) -> tuple[tuple[int, int], ...]:
    """The pairs as tuples, if they are pairs in the grid and divide the channels."""
    whole(grid=grid)
    if grid < 1:
        raise ValueError(f"grid={grid} must be at least 1: the authors' is 7")
    found = []
    for pair in frequencies:
        whole(frequencies=pair)
        if len(pair) != 2 or not all(0 <= number < grid for number in pair):
            raise ValueError(
                f"frequencies holds {tuple(pair)}: each is a pair (u, v) of numbers from 0 to "
                f"{grid - 1}, or choose a larger grid"
            )
        found.append((int(pair[0]), int(pair[1])))
    if not found or channels % len(found):
        raise ValueError(
            f"channels={channels} cannot be divided among {len(found)} frequencies: choose a "
            f"number of frequencies that divides the channels, as in frequencies=TOP16[:4]"
        )
    return tuple(found)


def checked_size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width, both at least 1, or nothing."""
    if size is None:
        return None
    whole(size=size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size={tuple(size)} must be a height and a width, as in size=(14, 14)")
    return (int(size[0]), int(size[1]))
