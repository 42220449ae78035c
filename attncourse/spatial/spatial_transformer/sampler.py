"""The sampler of a spatial transformer: points, pixels, and the four corners of a reading."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor


def target_points(
    height: int, width: int, *, align_corners: bool = False, like: Tensor
) -> Float[Tensor, "h w 2"]:
    """Normalised (x, y) of every output pixel; x runs along the width.

    The square from -1 to 1 spans the pixels' outer edges, so that pixel j of a row of w stands
    at (2 j + 1) / w - 1; with ``align_corners`` it spans the centres of the corner pixels.
    """

    def axis(size: int) -> Tensor:
        steps = torch.arange(size, device=like.device, dtype=like.dtype)
        spacing = max(size - 1, 1) if align_corners else size
        return (2 * steps - (size - 1)) / spacing

    x, y = axis(width), axis(height)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def to_pixels(
    coordinate: Float[Tensor, ...], size: int, align_corners: bool = False
) -> Float[Tensor, ...]:
    """From a normalised coordinate to a pixel index that may lie between two pixels."""
    if align_corners:
        return (coordinate + 1) * (size - 1) / 2
    return ((coordinate + 1) * size - 1) / 2


def bilinear_sample(
    x: Float[Tensor, "b c h w"],
    grid: Float[Tensor, "b rows columns 2"],
    align_corners: bool = False,
) -> Float[Tensor, "b c rows columns"]:
    """Equation (4) with the floor in place of the sum: four neighbours, zeros outside."""
    height, width = x.shape[2:]
    across = to_pixels(grid[..., 0], width, align_corners)
    down = to_pixels(grid[..., 1], height, align_corners)
    left, top = across.floor(), down.floor()
    right_share, lower_share = across - left, down - top
    y = x.new_zeros(())
    for row_step, column_step in itertools.product((0, 1), (0, 1)):
        column, row = left + column_step, top + row_step
        share = (right_share if column_step else 1 - right_share) * (
            lower_share if row_step else 1 - lower_share
        )
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        # Clamping only keeps the index legal; the share was fixed before it.
        index = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
        index = index.flatten(1)[:, None].expand(-1, x.shape[1], -1)
        corner = x.flatten(2).gather(2, index).unflatten(2, inside.shape[1:])
        y = y + (share * inside)[:, None] * corner
    return y


def hat(u: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """The bilinear kernel k(u) = max(0, 1 - |u|)."""
    return (1 - u.abs()).clamp(min=0)


def sample_reference(
    x: Float[Tensor, "c h w"],
    across: Float[Tensor, ""],
    down: Float[Tensor, ""],
) -> Float[Tensor, " c"]:
    """Equation (4) as printed: one reading, a sum over all pixels, in pixel coordinates."""
    _, height, width = x.shape
    columns = hat(across - torch.arange(width).to(across))
    rows = hat(down - torch.arange(height).to(down))
    return (x * rows[:, None] * columns).sum(dim=(1, 2))
