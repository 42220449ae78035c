r"""What is done with the weights and scores of RSTAN.

Equations, numbered as in the chapter ``spatial_temporal/rstan``:

.. math::
    p &= \frac1S \sum_s \mathrm{softmax}(\psi_s)                                      & (9)\\
    \omega_{s,t,i} &= \gamma_{s,t}\, \alpha_{s,t,i}, \qquad
        \sum_{t,i} \omega_{s,t,i} = 1                                                 & (10)\\
    L_\text{actor}(\alpha) &= \sum_{s,t,i} (\alpha_{s,t,i} - M_{t,i})^2               & (15)

The paper has an actor-attention regularisation, which draws the maps to the people in the film.
(15) is ours in its spirit: we have not seen the paper's formula.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def clip_prediction(psi: Float[Tensor, "b s k"]) -> Float[Tensor, "b k"]:
    """Equation (9): probabilities of a clip's classes, the mean over the steps."""
    return psi.softmax(dim=2).mean(dim=1)


def joint_weights(
    alpha: Float[Tensor, "b s t n"], gamma: Float[Tensor, "b s t"]
) -> Float[Tensor, "b s t n"]:
    """Equation (10): what each position of the clip weighs at each step."""
    return gamma[..., None] * alpha


def spread(omega: Float[Tensor, "b s t n"]) -> Float[Tensor, "b s"]:
    """Over how many positions a step spreads: the exponential of the entropy of its weights."""
    logs = omega.clamp(min=1e-30).log()
    return (-(omega * logs).sum(dim=(2, 3))).exp()


def actor_penalty(
    alpha: Float[Tensor, "b s t n"], actors: Float[Tensor, "b t n"]
) -> Float[Tensor, " b"]:
    """Equation (15): how far the places that are looked at are from those of the actors.

    Args:
        alpha: weights of places.
        actors: where the actors are; each frame is divided by its sum, and a frame of zeros, in
            which nobody was found, is left out.

    Raises:
        ValueError: if ``actors`` holds a negative number.
    """
    if bool((actors < 0).any()):
        raise ValueError("actors holds negative numbers: pass a mask of zeros and ones, or shares")
    total = actors.sum(dim=2, keepdim=True)
    wanted = actors / total.clamp(min=1e-12)
    found = (total > 0).to(alpha.dtype)[:, None]
    return ((alpha - wanted[:, None]).square() * found).sum(dim=(1, 2, 3))
