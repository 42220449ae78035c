r"""The plain Gaussian on a processor: its logits are symmetric, so each pair is multiplied once.

With :math:`S = s\,X X^\top`, :math:`P = \mathrm{softmax}(S)` and :math:`Y = P V`, positions are
cut into blocks.  The block :math:`S_{IJ}` serves the queries I with the keys J and, transposed,
the queries J with the keys I.  Neither S nor P is ever held.

=============================  =============================  ====================
product                        multiply-adds with the map     here
=============================  =============================  ====================
:math:`S`                      :math:`n^2 c`                  :math:`n^2 c / 2`
:math:`P V`                    :math:`n^2 d`                  the same
:math:`S` again, on the way    none: P was kept               :math:`n^2 c / 2`
back
gradients of V and P           :math:`2 n^2 d`                the same
gradient of X                  :math:`2 n^2 c`                :math:`n^2 c`
=============================  =============================  ====================

The gradient of X is :math:`s\,(D + D^\top) X` with :math:`D = P \odot (G V^\top - \delta)`, where
G is the gradient of Y and :math:`\delta_i = g_i^\top y_i`: a symmetric matrix again.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.precision import attention_map, exact

#: Positions in a block: its square stays in a processor's cache.
BLOCK = 256


def symmetric_read(
    x: Float[Tensor, "b n c"], v: Float[Tensor, "b n d"], scale: float = 1.0, block: int = BLOCK
) -> Float[Tensor, "b n d"]:
    """``softmax_weights(x, x, scale) @ v`` without the map, each pair of positions once."""
    return _SymmetricRead.apply(x, v, scale, block)[0]


def multiplied_pairs(n: int, block: int = BLOCK) -> int:
    """Pairs of positions whose logit is computed, once for both orders outside the diagonal."""
    whole, rest = divmod(n, block)
    return (n * n + whole * block * block + rest * rest) // 2


def multiply_adds(n: int, c: int, d: int, block: int = BLOCK) -> int:
    """Of one image's reading: logits, weighted sums, and what a fused kernel hides.

    That is the maximum and the sum of every row, and the rescaling of what it read before.
    """
    blocks = -(-n // block)
    return multiplied_pairs(n, block) * c + n * n * d + 2 * n * n + blocks * n * (d + 1)


class _SymmetricRead(torch.autograd.Function):
    """The pair (Y, logarithm of the rows' sums)."""

    @staticmethod
    def forward(x: Tensor, v: Tensor, scale: float, block: int) -> tuple[Tensor, Tensor]:
        y = torch.zeros_like(v)
        top, total = (x.new_full((*x.shape[:2], 1), start) for start in (-math.inf, 0.0))

        def read(queries: slice, keys: slice, logits: Tensor) -> None:
            """Weigh the keys for the queries, and put what was read before on the same scale."""
            now = torch.maximum(top[:, queries], logits.amax(dim=2, keepdim=True))
            shrunk = (top[:, queries] - now).exp_()
            weights = _exp(logits - now)
            total[:, queries] = total[:, queries] * shrunk + weights.sum(dim=2, keepdim=True)
            y[:, queries] = torch.baddbmm(y[:, queries] * shrunk, weights, v[:, keys])
            top[:, queries] = now

        for i, j in _pairs_of_blocks(x.shape[1], block):
            logits = _product(x[:, i], x[:, j], scale)
            read(i, j, logits)
            if i != j:
                read(j, i, logits.mT)
        y /= total
        return y, top + total.log()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, v, ctx.scale, ctx.block = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, v, *output)

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None]:
        # Whoever calls `backward` inside of autocast gets the products that the way there had.
        with exact(g):
            return *_gradient(ctx, g), None, None


def _gradient(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of x and v, block by block."""
    x, v, y, sums = ctx.saved_tensors
    if torch.is_grad_enabled():  # a second derivative may be asked for: hold the map
        return _explicit_gradient(x, v, g, ctx.scale)
    delta = (g * y).sum(dim=2, keepdim=True)
    dx, dv = torch.zeros_like(x), torch.zeros_like(v)
    for i, j in _pairs_of_blocks(x.shape[1], ctx.block):
        logits = _product(x[:, i], x[:, j], ctx.scale)
        weights = _exp(logits - sums[:, i])  # of the queries i, a row each
        dv[:, j].baddbmm_(weights.mT, g[:, i])
        d = _product(g[:, i], v[:, j]).sub_(delta[:, i]).mul_(weights)
        if i == j:
            dx[:, i].baddbmm_(d + d.mT, x[:, i])
            continue
        weights = _exp(logits.sub_(sums[:, j].mT))  # of the queries j, a column each
        dv[:, i].baddbmm_(weights, g[:, j])
        d += _product(v[:, i], g[:, j]).sub_(delta[:, j].mT).mul_(weights)
        dx[:, i].baddbmm_(d, x[:, j])
        dx[:, j].baddbmm_(d.mT, x[:, i])
    return dx.mul_(ctx.scale), dv


def _explicit_gradient(
    x: Float[Tensor, "b n c"], v: Float[Tensor, "b n d"], g: Float[Tensor, "b n d"], scale: float
) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n d"]]:
    """The gradients of x and v by operations that autograd can follow once more."""
    p = attention_map(x, x, scale)
    to_p = g @ v.mT
    d = p * (to_p - (p * to_p).sum(dim=2, keepdim=True))
    return scale * (d + d.mT) @ x, p.mT @ g


def _product(
    a: Float[Tensor, "b r c"], b: Float[Tensor, "b q c"], scale: float = 1.0
) -> Float[Tensor, "b r q"]:
    """``scale * a @ b.mT`` in one pass."""
    return torch.baddbmm(a.new_zeros(()), a, b.mT, beta=0, alpha=scale)


def _exp(x: Tensor) -> Tensor:
    """In place, for x at most 0, and never below the fourth power of the rounding error.

    Such a weight is lost in the sum of its row.  Its products with others would leave the range of
    normal numbers, outside of which many processors are a hundred times slower.
    """
    return x.clamp_(min=4 * math.log(torch.finfo(x.dtype).eps)).exp_()


def _pairs_of_blocks(n: int, block: int) -> list[tuple[slice, slice]]:
    """Every unordered pair of blocks of positions, a block with itself included."""
    blocks = [slice(start, min(start + block, n)) for start in range(0, n, block)]
    return list(combinations_with_replacement(blocks, 2))
