r"""What a fused kernel does, written in Python: key block after key block, and no map kept.

Per query a running maximum, a running sum and a running read, as in FlashAttention (Dao et al.,
2022; the division delayed as in FlashAttention-2, 2024).  The way back recomputes the weights
from the saved logarithm of the sum.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def streamed(
    q: Float[Tensor, "*b n d"], k: Float[Tensor, "*b m d"], v: Float[Tensor, "*b m e"], block: int
) -> tuple[Float[Tensor, "*b n e"], Float[Tensor, "*b n"]]:
    """What is read, and the logarithm of the sum of exponentials of each row.

    Args:
        q: queries; their products with keys are divided by the root of d.
        k: keys.
        v: values.
        block: keys that are looked at together.
    """
    top = q.new_full(q.shape[:-1], -torch.inf)
    total = torch.zeros_like(top)
    read = q.new_zeros(*q.shape[:-1], v.shape[-1])
    for keys, values in zip(k.split(block, dim=-2), v.split(block, dim=-2), strict=True):
        s = q @ keys.mT / q.shape[-1] ** 0.5
        higher = torch.maximum(top, s.amax(dim=-1))
        less, p = (top - higher).exp(), (s - higher[..., None]).exp()
        total = less * total + p.sum(dim=-1)
        read = less[..., None] * read + p @ values
        top = higher
    return read / total[..., None], top + total.log()


def streamed_backward(
    q: Float[Tensor, "*b n d"],
    k: Float[Tensor, "*b m d"],
    v: Float[Tensor, "*b m e"],
    o: Float[Tensor, "*b n e"],
    lse: Float[Tensor, "*b n"],
    do: Float[Tensor, "*b n e"],
    block: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v from what :func:`streamed` kept; weights are computed again."""
    scale = q.shape[-1] ** -0.5
    mean = (do * o).sum(dim=-1, keepdim=True)  # sum_j p_ij dp_ij, without p or dp
    dq, dk, dv = torch.zeros_like(q), [], []
    for keys, values in zip(k.split(block, dim=-2), v.split(block, dim=-2), strict=True):
        p = (scale * q @ keys.mT - lse[..., None]).exp()
        ds = scale * p * (do @ values.mT - mean)
        dq = dq + ds @ keys
        dk.append(ds.mT @ q)
        dv.append(p.mT @ do)
    return dq, torch.cat(dk, dim=-2), torch.cat(dv, dim=-2)
