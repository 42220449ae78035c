r"""The regularised loss of STA-LSTM, and what its first term can reach.

Equations, numbered as in the chapter ``spatial_temporal/sta_lstm``:

.. math::
    L &= -\sum_i y_i \log \hat y_i + \lambda_1 P(\alpha) + \frac{\lambda_2}{T} \sum_t |\beta_t|
         + \lambda_3 \lVert W \rVert_1                                                   & (10)\\
    P(\alpha) &= \sum_k \Bigl(1 - \frac1T \sum_t \alpha_{t,k}\Bigr)^2                    & (11)\\
    P(\alpha) &= K - 2 + \sum_k a_k^2, \qquad a_k = \frac1T \sum_t \alpha_{t,k}          & (12)

The target of (11), a mean gate of 1 for every joint, cannot be met by a softmax, whose gates of a
frame add up to 1: by (12) the penalty lies between :math:`(K-1)^2/K`, for even gates, and K - 1.
:func:`reachable_joint_penalty` asks the same of :math:`K a_k`, and can be zero.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def joint_penalty(alpha: Float[Tensor, "b t k"]) -> Float[Tensor, " b"]:
    """Equation (11), as published: from (k - 1)^2 / k for even gates to k - 1 for one joint."""
    return (1 - alpha.mean(dim=1)).square().sum(dim=1)


def reachable_joint_penalty(alpha: Float[Tensor, "b t k"]) -> Float[Tensor, " b"]:
    """The same with the target 1 for k times the mean gate: from 0 for even gates to k (k - 1)."""
    return (1 - alpha.shape[2] * alpha.mean(dim=1)).square().sum(dim=1)


def frame_penalty(beta: Float[Tensor, "b t"]) -> Float[Tensor, " b"]:
    """The mean of the frame gates: the norm of a number that is not negative is the number."""
    return beta.abs().mean(dim=1)


def weight_penalty(parameters: Iterable[Tensor]) -> Float[Tensor, ""]:
    """The sum of the magnitudes of all weights; biases are left out."""
    magnitudes = [p.abs().sum() for p in parameters if p.ndim > 1]
    if not magnitudes:
        raise ValueError("parameters holds no weight matrix: pass module.parameters()")
    return sum(magnitudes[1:], magnitudes[0])


def regularised_loss(
    scores: Float[Tensor, "b n"],
    targets: Int[Tensor, " b"],
    alpha: Float[Tensor, "b t k"],
    beta: Float[Tensor, "b t"],
    parameters: Iterable[Tensor] = (),
    lambda1: float = 1e-3,
    lambda2: float = 1e-4,
    lambda3: float = 0.0,
) -> Float[Tensor, ""]:
    """Equation (10), averaged over the clips of a batch.

    Args:
        scores: class scores of each clip.
        targets: the right class of each clip.
        alpha: joint gates.
        beta: frame gates.
        parameters: the weights that ``lambda3`` keeps small.
        lambda1: weight of the joint gates' penalty.
        lambda2: weight of the frame gates' penalty.
        lambda3: weight of the weights' penalty; 0 leaves ``parameters`` alone.
    """
    loss = F.cross_entropy(scores, targets)
    loss = loss + lambda1 * joint_penalty(alpha).mean() + lambda2 * frame_penalty(beta).mean()
    return loss + lambda3 * weight_penalty(parameters) if lambda3 else loss
