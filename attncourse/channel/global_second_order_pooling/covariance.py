r"""Covariances, what they are made with, and the square root of one.

.. math::
    \Sigma = Z \bar I Z^\top, \qquad
        \bar I = \tfrac1M \bigl(I - \tfrac1M \mathbf 1 \mathbf 1^\top\bigr)           & (2)\\
    \frac{\partial L}{\partial Z} = (G + G^\top)\, Z \bar I, \qquad
        G = \frac{\partial L}{\partial \Sigma}                                        & (5)\\
    R \leftarrow R E, \quad Q \leftarrow E Q, \quad E = \tfrac12 (3 I - Q R)          & (9)

Z holds d rows of M values each: d channels that were seen at M positions, or the other way round.
In (9) R tends to the root, and Q to its inverse.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.layers import whole


def centring(
    size: int, constant: int | None = None, *, dtype: torch.dtype | None = None
) -> Float[Tensor, "size size"]:
    """The matrix of (2) for ``size`` values in a row, built in full.

    ``constant`` takes the place of the number in both fractions, as in the spatial branch of the
    released code, where a d x d matrix is built with the number of positions.
    """
    constant = size if constant is None else constant
    whole(size=size, constant=constant)
    if size < 1 or constant < 1:
        raise ValueError(f"size={size} and constant={constant} must be at least 1")
    eye = torch.eye(size, dtype=dtype)
    return (eye - torch.ones_like(eye) / constant) / constant


def covariance(z: Float[Tensor, "b d m"]) -> Float[Tensor, "b d d"]:
    """Equation (2), by subtracting the mean: the matrix of M x M is never built."""
    away = z - z.mean(dim=2, keepdim=True)
    return (away @ away.mT) / z.shape[2]


def off_centre(z: Float[Tensor, "b d m"], constant: int) -> Float[Tensor, "b d d"]:
    """``z @ centring(m, constant) @ z.mT`` without the matrix: no covariance unless they agree."""
    total = z.sum(dim=2, keepdim=True) / constant
    return (z @ z.mT) / constant - total @ total.mT


def covariance_gradient(
    z: Float[Tensor, "b d m"], gradient: Float[Tensor, "b d d"]
) -> Float[Tensor, "b d m"]:
    """Equation (5): the gradient for z, from the one for its covariance."""
    passed = (gradient + gradient.mT) @ z
    return (passed - passed.mean(dim=2, keepdim=True)) / z.shape[2]


def row_products(
    rows: Float[Tensor, "b d m"], weight: Float[Tensor, "d e m"]
) -> Float[Tensor, "b d e"]:
    """Each row times its own e weight vectors: a grouped convolution as long as the row."""
    return torch.einsum("bdm,dem->bde", rows, weight)


def square_root(sigma: Float[Tensor, "*shape"], steps: int = 3) -> Float[Tensor, "*shape"]:
    """Equation (9): so many Newton-Schulz steps towards the square root of ``sigma``.

    The trace is divided out first, so that all eigenvalues lie in [0, 1], and its root multiplied
    back in at the end.  Three steps, the authors' number, are far from the root for d of some
    hundred.

    Raises:
        ValueError: if ``sigma`` is not square or ``steps`` is negative.
    """
    whole(steps=steps)
    if steps < 0:
        raise ValueError(f"steps={steps} must not be negative: 0 gives sigma over its root trace")
    if sigma.ndim < 2 or sigma.shape[-1] != sigma.shape[-2]:
        raise ValueError(f"sigma has the shape {tuple(sigma.shape)}: pass square matrices")
    trace = sigma.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
    trace = trace.clamp(min=torch.finfo(sigma.dtype).tiny)
    eye = torch.eye(sigma.shape[-1], dtype=sigma.dtype, device=sigma.device)
    root, inverse = sigma / trace, eye.expand_as(sigma)
    for _ in range(steps):
        e = 1.5 * eye - 0.5 * (inverse @ root)
        root, inverse = root @ e, e @ inverse
    return trace.sqrt() * root
