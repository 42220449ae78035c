r"""Gates that are 0 or 1, and how they learn: equations (4) to (10) of ``channel/gater``.

.. math::
    \bar\sigma(v) &= \max\bigl(0, \min(1, 1.2\, \sigma(v) - 0.1)\bigr)              & (4)\\
    s^{\mathrm{soft}} &= \bar\sigma(\tau + \epsilon), \qquad
        \epsilon \sim N(0, I)                                                       & (5)\\
    s^{\mathrm{hard}} &= \mathbb{1}[\tau + \epsilon > 0]                            & (6)

A hard gate has no slope.  On the way back it borrows the slope of the soft gate: that is the
straight-through estimator.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

#: The sigmoid is stretched from (0, 1) to (-0.1, 1.1) and cut off.
STRETCH, SHIFT = 1.2, 0.1
#: From here on a soft gate is exactly 0 or 1: 1.2 / (1 + e^-v) - 0.1 = 1 where e^v = 11.
SATURATION = math.log(11)


def saturating_sigmoid(v: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Equation (4): a sigmoid that reaches 0 and 1."""
    return (STRETCH * torch.sigmoid(v) - SHIFT).clamp(0, 1)


def discretise(
    logits: Float[Tensor, "b k"],
    noise: Float[Tensor, "b k"] | None = None,
    hard: Bool[Tensor, "b 1"] | bool = True,
) -> Float[Tensor, "b k"]:
    """Equations (5) and (6): soft gates, or hard ones with the slope of the soft ones.

    Args:
        logits: the scores tau.
        noise: what is added to them; nothing where no noise is wanted.
        hard: which images get hard gates, or whether all do.
    """
    noisy = logits if noise is None else logits + noise
    soft = saturating_sigmoid(noisy)
    if hard is False:
        return soft
    # The difference is exactly zero, and its slope is that of the soft gate.
    through = (noisy > 0).to(soft) + (soft - soft.detach())
    return through if hard is True else torch.where(hard, through, soft)


def on_probability(logits: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Equation (7): the chance Phi(tau) that noise of spread 1 leaves a hard gate open."""
    return torch.special.ndtr(logits)


def true_slope(logits: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Equation (8): how the mean of a hard gate moves with its score, phi(tau)."""
    return torch.exp(-(logits**2) / 2) / math.sqrt(2 * math.pi)


def estimator_mean(logits: Float[Tensor, "*any"], *, points: int = 20_001) -> Float[Tensor, "*any"]:
    """Equation (9): the mean slope that the straight-through estimator passes back.

    The integral over the noise, by the midpoint rule on the interval where the slope is not zero.
    """
    edges = torch.linspace(-SATURATION, SATURATION, points + 1, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    slope = STRETCH * torch.sigmoid(middle) * torch.sigmoid(-middle)
    weight = true_slope(middle - logits.to(torch.float64)[..., None])
    return ((slope * weight).sum(-1) * (edges[1] - edges[0])).to(logits)


def share_on(gates: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Equation (10) without lambda: the L1 norm of the gates over their number, mean of images.

    Gates are not negative, so that this is their mean; for hard gates, the share that is open.
    """
    return gates.mean()
