"""Spikes in noise, for which nothing is trained: how well does a gate set them off?

A map has 16 x 16 values; some random ones are spikes of one height, the others 0, and noise of
spread 1 is added.  A map is scored by how well one affine reading of it explains the clean one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attncourse.tasks.base import seeded

SIDE, MAPS = 16, 400


def spikes(height: float, count: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy maps and clean ones, (400, 1, 16, 16) each, in float64.

    Args:
        height: of a spike.
        count: of spikes in each map.
        seed: of the draw.

    Raises:
        ValueError: if a map has no room for so many spikes.
    """
    if not 0 < count < SIDE**2:
        raise ValueError(f"count={count} must leave spikes and background: 1 to {SIDE**2 - 1}")
    g, shape = seeded(63, seed), (MAPS, SIDE**2)
    ranks = torch.rand(shape, generator=g, device="cpu").argsort(dim=1)
    clean = height * (ranks < count).double()
    noise = torch.randn(shape, generator=g, dtype=torch.float64, device="cpu")
    return ((clean + noise).view(MAPS, 1, SIDE, SIDE), clean.view(MAPS, 1, SIDE, SIDE))


def explained(y: Tensor, clean: Tensor) -> float:
    """The squared correlation of all values: R² of the best affine reading of ``y``."""
    pair = torch.stack([y.flatten(), clean.flatten()])
    return float(torch.corrcoef(pair)[0, 1] ** 2)


def best_guess(x: Tensor, height: float, count: int = 5) -> Tensor:
    """The mean of the clean value given the noisy one: no function of one value explains more."""
    share = torch.tensor(count / SIDE**2, dtype=torch.float64)
    return height * torch.sigmoid(height * x - height**2 / 2 + torch.logit(share))
