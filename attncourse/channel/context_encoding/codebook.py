r"""A codebook with soft assignments, and the way back through it.

.. math::
    a_{ik} &= \mathrm{softmax}_k\bigl(\tau_k \lVert u_i - d_k \rVert_2^2\bigr)            & (2)\\
    e_k &= \sum_i a_{ik}\, (u_i - d_k)                                                    & (3)\\
    \lVert u_i - d_k \rVert_2^2 &= \lVert u_i \rVert_2^2 - 2\, u_i^\top d_k
        + \lVert d_k \rVert_2^2                                                           & (7)\\
    E &= A^\top U - \mathrm{diag}(A^\top \mathbf 1)\, D                                   & (8)\\
    q_{ik} &= a_{ik}\Bigl(h_{ik} - \sum_j a_{ij} h_{ij}\Bigr), \qquad
        h_{ik} = \Bigl\langle \frac{\partial L}{\partial e_k}, u_i - d_k \Bigr\rangle     & (9)\\
    \frac{\partial L}{\partial \tau_k} &= \sum_i q_{ik} \lVert u_i - d_k \rVert_2^2       & (10)\\
    \frac{\partial L}{\partial d_k} &= -\sum_i p_{ik}, \qquad
        \frac{\partial L}{\partial u_i} = \sum_k p_{ik}, \qquad
        p_{ik} = a_{ik} \frac{\partial L}{\partial e_k} + 2 \tau_k q_{ik} (u_i - d_k)     & (11)

Features u are n vectors of c numbers, codewords d are k of them, and tau is one number for each
codeword: negative where near features are preferred.  Residuals, b x n x k x c numbers, are never
built.

**How exact.**  (7) and (8) subtract large numbers from each other where features lie far from
zero.  So the mean of the codewords is subtracted from features and codewords first, which changes
nothing else.  With R the largest distance of a feature or a codeword from that mean, a squared
distance is then off by a few roundings of R^2, whatever the distance from zero.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from attncourse.precision import softmax


def centred(
    u: Float[Tensor, "b n c"], codewords: Float[Tensor, "k c"]
) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "k c"]]:
    """Both less the mean of the codewords: every residual stays what it was.

    The mean is a constant for autograd.  Nothing that is made of residuals depends on it, so no
    derivative does either.
    """
    centre = codewords.detach().mean(dim=0)
    return u - centre, codewords - centre


def squared_distances(
    u: Float[Tensor, "b n c"], codewords: Float[Tensor, "k c"]
) -> Float[Tensor, "b n k"]:
    """Equation (7): squared distances of features and codewords, without residuals."""
    u, codewords = centred(u, codewords)
    return _expanded(u, codewords)


def _expanded(u: Float[Tensor, "b n c"], codewords: Float[Tensor, "k c"]) -> Float[Tensor, "b n k"]:
    own = (u * u).sum(dim=2, keepdim=True)
    return own - 2 * (u @ codewords.mT) + (codewords * codewords).sum(dim=1)


def assign(
    u: Float[Tensor, "b n c"], codewords: Float[Tensor, "k c"], smoothing: Float[Tensor, " k"]
) -> Float[Tensor, "b n k"]:
    """Equation (2): how much of each feature belongs to each codeword; rows add up to one."""
    return softmax(smoothing * squared_distances(u, codewords), dim=2)


def residual_sums(
    u: Float[Tensor, "b n c"],
    codewords: Float[Tensor, "k c"],
    assignments: Float[Tensor, "b n k"],
) -> Float[Tensor, "b k c"]:
    """Equation (8): for each codeword the sum of what its features differ from it by."""
    u, codewords = centred(u, codewords)
    return _sums(u, codewords, assignments)


def _sums(u: Tensor, codewords: Tensor, assignments: Tensor) -> Tensor:
    return assignments.mT @ u - assignments.sum(dim=1)[:, :, None] * codewords


def encode(
    u: Float[Tensor, "b n c"], codewords: Float[Tensor, "k c"], smoothing: Float[Tensor, " k"]
) -> Float[Tensor, "b k c"]:
    """Equations (2) and (3) by (7) and (8)."""
    u, codewords = centred(u, codewords)
    return _sums(u, codewords, softmax(smoothing * _expanded(u, codewords), dim=2))


def encode_gradients(
    u: Float[Tensor, "b n c"],
    codewords: Float[Tensor, "k c"],
    smoothing: Float[Tensor, " k"],
    gradient: Float[Tensor, "b k c"],
) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "k c"], Float[Tensor, " k"]]:
    """Equations (9) to (11): gradients for u, codewords and smoothing, by hand.

    ``gradient`` is that for the sums e, (b, k, c).  No residual is built here either.
    """
    u, codewords = centred(u, codewords)
    distance = _expanded(u, codewords)
    a = softmax(smoothing * distance, dim=2)
    h = u @ gradient.mT - (gradient * codewords).sum(dim=2)[:, None]
    q = a * (h - (a * h).sum(dim=2, keepdim=True))
    pull = 2 * smoothing * q
    for_u = a @ gradient + pull.sum(dim=2, keepdim=True) * u - pull @ codewords
    away = pull.mT @ u - pull.sum(dim=1)[:, :, None] * codewords
    for_codewords = -(a.sum(dim=1)[:, :, None] * gradient + away).sum(dim=0)
    return for_u, for_codewords, (q * distance).sum(dim=(0, 1))
