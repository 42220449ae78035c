r"""How a sampled location learns: REINFORCE, a baseline, and the hybrid loss of RAM.

Equations, numbered as in the chapter ``spatial/recurrent_attention``:

.. math::
    \ln \pi(l \mid \mu) &= -\frac{\lVert l - \mu \rVert^2}{2 \tau^2} - \ln(2 \pi \tau^2)  & (10)\\
    R &= \hat p, \text{ the softmax's probability of the right class}                     & (14)\\
    L &= -\ln \hat p - \sum_t [R - b_t] \ln \pi(l_t \mid \mu_t)
        + \frac{1}{M} \sum_t (b_t - [R])^2 + \sum_t \phi(\mu_t)                           & (15)

Brackets hold what is a constant for the gradient; :math:`t` runs over the M locations that
were decided *and visited*; :math:`\phi(\mu) = \sum_x \max(0, |\mu_x| - 1)^2` is a fence around the
image, which is ours: beyond it all samples are clamped to the same border, and no gradient leads
back.  The paper's reward is 0 or 1; the probability of the right class is the mean of that
reward over sampled classes, so the gradient is the same on average and varies less.

None of this is needed to use a trained network.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class Glimpsed(NamedTuple):
    """What :class:`RecurrentAttention` returns in training; ``d`` of its ``t`` looks are decided.

    Attributes:
        logits: (b, classes), after the last look.
        locations: (b, t, 2), where it looked.
        means: (b, d, 2), the policy's means.
        log_density: (b, d), log-density of the samples; its gradient goes to the means.
        states: (b, d, width), what the decisions were made from, without gradient.
    """

    logits: Tensor
    locations: Tensor
    means: Tensor
    log_density: Tensor
    states: Tensor


def log_density(
    sample: Float[Tensor, "b 2"], mean: Float[Tensor, "b 2"], std: float
) -> Float[Tensor, " b"]:
    """Equation (10): logarithm of the density of a round Gaussian in the plane."""
    distance = (sample - mean).square().sum(dim=1)
    return -distance / (2 * std**2) - math.log(2 * math.pi * std**2)


class Baseline(nn.Module):
    """A linear guess of the reward, from a state that it does not shape.

    Args:
        width: size of the states.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - states: (b, d, width)
        - guess: (b, d)
    """

    def __init__(
        self,
        width: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.guess = nn.Linear(width, 1, device=device, dtype=dtype)

    def forward(self, states: Tensor) -> Tensor:
        """One number for each decision."""
        return self.guess(states.detach()).squeeze(-1)


def expected_reward(logits: Float[Tensor, "b n"], y: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Equation (14): probability of the right class, as a constant."""
    return logits.detach().softmax(dim=1).gather(1, y[:, None]).squeeze(1)


def hybrid_loss(
    seen: Glimpsed,
    y: Int[Tensor, " b"],
    baseline: Float[Tensor, "b d"] | None = None,
    *,
    reward: Float[Tensor, " b"] | None = None,
    policy_weight: float = 1.0,
    fence_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Equation (15): cross-entropy for *what*, REINFORCE for *where*, and two helpers.

    Args:
        seen: what the network returned in training.
        y: the right classes.
        baseline: guesses of the reward; ``None`` for no baseline.
        reward: in place of :func:`expected_reward`.
        policy_weight: a factor of the second term; 1 in (15).
        fence_weight: a factor of the last term; 1 in (15).
    """
    if reward is None:
        reward = expected_reward(seen.logits, y)
    guess = torch.zeros_like(seen.log_density) if baseline is None else baseline
    advantage = (reward[:, None] - guess).detach()
    policy = -(advantage * seen.log_density).sum(dim=1).mean()
    regression = (guess - reward[:, None]).square().mean()
    fence = F.relu(seen.means.abs() - 1).square().sum(dim=(1, 2)).mean()
    what = F.cross_entropy(seen.logits, y)
    return what + policy_weight * policy + regression + fence_weight * fence
