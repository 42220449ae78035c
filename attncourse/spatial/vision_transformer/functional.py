r"""Attention with several heads on tokens, and its slow reference.

Letters as in ``module.py``: ``b`` images, ``m`` heads, ``n`` tokens, ``d`` the width of a head,
``c = m d`` the width of a token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.precision import attention_map
from attncourse.transforms import FirstOrder, in_torch_func


def split(x: Float[Tensor, "b n c"], heads: int) -> Float[Tensor, "b m n d"]:
    """A view in which head m holds its own d of the c numbers of each token."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def joined(x: Float[Tensor, "b m n d"]) -> Float[Tensor, "b n c"]:
    """What the heads have read, side by side: the inverse of :func:`split`."""
    return x.transpose(1, 2).flatten(2)


def head_maps(
    q: Float[Tensor, "b n c"], k: Float[Tensor, "b n c"], heads: int
) -> Float[Tensor, "b m n n"]:
    """Equation (2) for every head, in float32 at least."""
    q, k = split(q, heads), split(k, heads)
    return attention_map(q, k, q.shape[3] ** -0.5)


def head_read(
    q: Float[Tensor, "b n c"], k: Float[Tensor, "b n c"], v: Float[Tensor, "b n c"], heads: int
) -> Float[Tensor, "b n c"]:
    """Equations (2) and (3) by PyTorch's fused kernel, without the maps.

    The heads are views of last stride 1, which the kernel of a processor reads as they lie.
    """
    if in_torch_func():  # no fused kernel has a rule for it
        return joined(head_maps(q, k, heads).to(v.dtype) @ split(v, heads))
    once = FirstOrder("MultiHeadAttention")
    q, k, v = (split(once.enter(t), heads) for t in (q, k, v))
    return joined(once.watch(F.scaled_dot_product_attention(q, k, v)))


def multi_head_reference(
    x: Float[Tensor, "b n c"],
    query: nn.Linear,
    key: nn.Linear,
    value: nn.Linear,
    out: nn.Linear,
    heads: int,
) -> Float[Tensor, "b n c"]:
    """Equations (1) to (4), one image, one head, one query and one key at a time."""
    d = x.shape[2] // heads
    images = []
    for image in x:
        rows = []
        for asks in image:
            found = []
            for m in range(heads):
                own = slice(m * d, (m + 1) * d)
                q = query.weight[own] @ asks + query.bias[own]  # (1)
                logits, values = [], []
                for read in image:
                    k = key.weight[own] @ read + key.bias[own]
                    logits.append((q * k).sum() / d**0.5)
                    values.append(value.weight[own] @ read + value.bias[own])
                powers = [torch.exp(s - max(logits)) for s in logits]
                total = sum(powers)
                weights = [p / total for p in powers]  # (2)
                found.append(sum(a * v for a, v in zip(weights, values, strict=True)))  # (3)
            rows.append(out.weight @ torch.cat(found) + out.bias)  # (4)
        images.append(torch.stack(rows))
    return torch.stack(images)
