r"""The pairwise functions of non-local networks on tokens, each twice: as written, and fast.

``*_weights`` builds the matrix :math:`A` that the equation names.  ``*_read`` returns
:math:`A V` exactly, without ever holding a matrix of queries times keys:

=================  ==========================================================  ================
form               how :math:`A V` is read                                     held besides V
=================  ==========================================================  ================
softmax            tile by tile with a running maximum and sum; if queries     n d
                   are keys, on a processor, by ``symmetric``
dot product        :math:`\theta\,(\phi^\top V) / m`, in the other order       d e
concatenation      keys sorted by score, sums of the first k of them           m e
=================  ==========================================================  ================

Tokens are rows: ``b`` images, ``n`` queries, ``m`` keys, ``d`` and ``e`` channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attncourse.precision import at_least_single, attention_map
from attncourse.transforms import fused_attention


def softmax_weights(
    q: Float[Tensor, "b n d"], k: Float[Tensor, "b m d"], scale: float = 1.0
) -> Float[Tensor, "b n m"]:
    """Equation (4): exp(q·k) over its sum, one row for each query; in float32 at least."""
    return attention_map(q, k, scale)


def softmax_read(
    q: Float[Tensor, "b n d"],
    k: Float[Tensor, "b m d"],
    v: Float[Tensor, "b m d"],
    scale: float = 1.0,
) -> Float[Tensor, "b n d"]:
    """``softmax_weights(q, k) @ v``, fused: equation (8) tile by tile."""
    return fused_attention(q, k, v, scale, who="NonLocal")


def dot_product_weights(
    q: Float[Tensor, "b n d"], k: Float[Tensor, "b m d"]
) -> Float[Tensor, "b n m"]:
    """Equation (5): q·k over the number of keys."""
    return q @ (k / k.shape[1]).mT  # divided before the sum, which could overflow


def dot_product_read(
    q: Float[Tensor, "b n d"], k: Float[Tensor, "b m d"], v: Float[Tensor, "b m e"]
) -> Float[Tensor, "b n e"]:
    """``dot_product_weights(q, k) @ v`` in the cheaper order of equation (7).

    A map with fewer positions than channels is the exception, in which pairs are cheaper.
    """
    n, m, (d, e) = q.shape[1], k.shape[1], (q.shape[2], v.shape[2])
    k = k / m  # before the sum, which could overflow in half precision
    if n * m * (d + e) < (n + m) * d * e:
        return q @ k.mT @ v
    return q @ (k.mT @ v)


def concatenation_weights(
    alpha: Float[Tensor, "b n"], beta: Float[Tensor, "b m"]
) -> Float[Tensor, "b n m"]:
    """Equation (6) by (9): max(0, alpha_i + beta_j) over the number of keys."""
    return F.relu(alpha[:, :, None] + beta[:, None, :]) / beta.shape[1]


def concatenation_read(
    alpha: Float[Tensor, "b n"], beta: Float[Tensor, "b m"], v: Float[Tensor, "b m e"]
) -> Float[Tensor, "b n e"]:
    """``concatenation_weights(alpha, beta) @ v`` by sorting, equation (10).

    With the keys in falling order of beta, those that a query hears are the first k of them.
    """
    kind = at_least_single(v)  # sums of thousands of terms
    alpha, beta, v = alpha.to(kind), beta.to(kind), v.to(kind)
    falling, order = beta.sort(dim=1, descending=True)
    v = v.gather(1, order[:, :, None].expand_as(v))
    terms = torch.cat([v, falling[:, :, None] * v], dim=2)
    sums = F.pad(terms, (0, 0, 1, 0)).cumsum(dim=1)  # of the first 0, 1, ..., m keys
    heard = _smaller(-falling, alpha)  # keys with -beta < alpha
    heard = heard[:, :, None].expand(-1, -1, sums.shape[2])
    total, weighted = sums.gather(1, heard).chunk(2, dim=2)
    return torch.addcmul(weighted, alpha[:, :, None], total) / beta.shape[1]


def _smaller(rising: Float[Tensor, "b m"], alpha: Float[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    """How many numbers of a rising row are smaller than each alpha."""
    if not torch.compiler.is_exporting():
        return torch.searchsorted(rising, alpha.contiguous())
    # ONNX can sort, but has no search: put both in one row, and count the keys before each alpha.
    # Whether an equal key counts does not matter, because what it adds is then zero.
    order = torch.cat([alpha, rising], dim=1).argsort(dim=1)
    keys = (order >= alpha.shape[1]).cumsum(dim=1)
    return keys.gather(1, order.argsort(dim=1)[:, : alpha.shape[1]])


def non_local_reference(
    x: Float[Tensor, "b c n"],
    keys: Float[Tensor, "b c m"],
    f: Callable[[Tensor, Tensor], Tensor],
    normaliser: Callable[[Tensor], Tensor | int],
    g: Callable[[Tensor], Tensor],
    z: Callable[[Tensor], Tensor],
) -> Float[Tensor, "b c n"]:
    """Equations (1) and (2), one pair of positions at a time.

    Args:
        x: the queries, and what the result is added to.
        keys: the positions that are read: ``x`` itself, or a pooled copy.
        f: two vectors (b, c) -> their weight (b,).
        normaliser: the weights of one query, (m, b) -> what they are divided by.
        g: a vector (b, c) -> its value (b, d).
        z: what was read, (b, d) -> what is added, (b, c).
    """
    columns = []
    for i in range(x.shape[2]):
        weights = torch.stack([f(x[:, :, i], keys[:, :, j]) for j in range(keys.shape[2])])
        y = torch.zeros_like(g(x[:, :, i]))
        for j in range(keys.shape[2]):
            y = y + weights[j][:, None] * g(keys[:, :, j])  # (1)
        columns.append(z(y / _column(normaliser(weights))) + x[:, :, i])  # (2)
    return torch.stack(columns, dim=2)


def _column(c: Tensor | int) -> Tensor | int:
    return c[:, None] if isinstance(c, Tensor) else c
