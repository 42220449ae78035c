r"""What is read off the maps of a trained transformer: rollout and mean attention distance.

.. math::
    R &= \tilde A_L \cdots \tilde A_1, \qquad
    \tilde A_l = \tfrac12 \bigl(\tfrac1M \textstyle\sum_m A_l^m + I\bigr)           & (13)\\
    D_m &= \frac1{n'} \sum_i \sum_j A_{ij}^m \lVert p_i - p_j \rVert_2              & (12)
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rollout(maps: Float[Tensor, "l b m n n"]) -> Float[Tensor, "b n n"]:
    """Equation (13): later layers stand on the left; rows sum to 1 (Abnar and Zuidema, 2020)."""
    unit = torch.eye(maps.shape[-1], dtype=maps.dtype, device=maps.device)
    found = unit.expand(maps.shape[1], -1, -1)
    for layer in maps:
        found = (layer.mean(dim=1) + unit) / 2 @ found
    return found


def mean_distance(
    maps: Float[Tensor, "*rest n n"], grid: int, patch: float = 1.0
) -> Float[Tensor, "*rest"]:
    """Equation (12) in pixels, over the patches alone: class token left out, rows made whole.

    Args:
        maps: with the class token first.
        grid: patches along each side.
        patch: pixels along each side of a patch.
    """
    at = torch.arange(grid, dtype=maps.dtype, device=maps.device)
    places = patch * torch.cartesian_prod(at, at)
    apart = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    inner = maps[..., 1:, 1:]
    inner = inner / inner.sum(dim=-1, keepdim=True)
    return (inner * apart).sum(dim=-1).mean(dim=-1)
