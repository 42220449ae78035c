r"""What trains the decoder: a mean has a gradient, a draw needs REINFORCE.

Equations, numbered as in the chapter ``spatial/show_attend_tell``:

.. math::
    R_t &= \textstyle\sum_{u \ge t} p(y_u)                                        & (11)\\
    L_{\text{hard}} &= \sum_t \Bigl( -\ln p(y_t) - \lambda_r [R_t - b_t] \ln \alpha_{t, s_t}
        - \lambda_e \mathcal H(\alpha_t) \Bigr)
        + \textstyle\frac1T \sum_t (b_t - [R_t])^2                               & (12)\\
    L_{\text{soft}} &= -\textstyle\sum_t \ln p(y_t)
        + \lambda \sum_i \bigl(1 - \sum_t \alpha_{t,i}\bigr)^2                   & (14)

Brackets hold what is a constant for the gradient; :math:`s_t` is the position that was drawn, and
a step that kept its mean has no REINFORCE term.  The baseline is the one of
``spatial/recurrent_attention``: a linear guess from a state that it does not shape.  The paper
rewards every draw by :math:`\ln p` of the whole caption and takes one running mean as baseline.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.spatial.show_attend_tell.module import Told


def word_losses(told: Told, caption: Int[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """Minus the logarithm of the probability of each right word."""
    return F.cross_entropy(told.logits.mT, caption, reduction="none")


def reward_to_go(rewards: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """Equation (11): what is still to come, from each step on."""
    return rewards.flip(1).cumsum(dim=1).flip(1)


def entropy(log_weights: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Entropy of each map in nats."""
    return -(log_weights.exp() * log_weights).sum(dim=-1)


def coverage_penalty(weights: Float[Tensor, "b t n"]) -> Float[Tensor, " b"]:
    """The doubly stochastic penalty: how far each position's total over the words is from one."""
    return (1 - weights.sum(dim=1)).square().sum(dim=1)


def soft_loss(
    told: Told, caption: Int[Tensor, "b t"], *, coverage: float = 0.0
) -> Float[Tensor, ""]:
    """Equation (14): cross-entropy of the words, and the penalty times ``coverage``."""
    loss = word_losses(told, caption).sum(dim=1).mean()
    return loss + coverage * coverage_penalty(told.weights).mean() if coverage else loss


def hard_loss(
    told: Told,
    caption: Int[Tensor, "b t"],
    guess: Float[Tensor, "b t"] | None = None,
    *,
    rewards: Float[Tensor, "b t"] | None = None,
    policy_weight: float = 1.0,
    entropy_weight: float = 0.02,
) -> Float[Tensor, ""]:
    """Equation (12): cross-entropy for the words, REINFORCE for the draws, and an entropy.

    Args:
        told: what ``tell`` gave in training.
        caption: the right words.
        guess: the baseline's guesses of the rewards to go; ``None`` for no baseline.
        rewards: of each word, in place of its probability.
        policy_weight: the factor lambda_r.
        entropy_weight: the factor lambda_e.
    """
    words = word_losses(told, caption)
    if rewards is None:
        rewards = torch.exp(-words)
    to_go = reward_to_go(rewards.detach())
    guess = torch.zeros_like(to_go) if guess is None else guess
    density = (told.weights.detach() * told.log_weights).sum(dim=-1)
    credit = (to_go - guess).detach() * told.drawn
    policy = -(credit * density).sum(dim=1).mean()
    regression = (guess - to_go).square().mean()
    spread = entropy(told.log_weights).sum(dim=1).mean()
    what = words.sum(dim=1).mean()
    return what + policy_weight * policy + regression - entropy_weight * spread
