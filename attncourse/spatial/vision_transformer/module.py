r"""Multi-head self-attention of the vision transformer (Dosovitskiy et al., 2021).

Keys of the references: ``dosovitskiy2021vit``, and ``vaswani2017attention`` for the heads.
Equations, numbered as in the chapter ``spatial/vision_transformer``, for heads m = 1 ... M:

.. math::
    q_i^m = W_q^m x_i + b_q^m, \quad k_j^m &= W_k^m x_j + b_k^m, \quad
    v_j^m = W_v^m x_j + b_v^m                                                        & (1)\\
    A_{ij}^m &= \mathrm{softmax}_j\bigl(q_i^m \cdot k_j^m / \sqrt d\bigr)            & (2)\\
    y_i^m &= \sum_j A_{ij}^m v_j^m                                                   & (3)\\
    y_i &= W_o [y_i^1; \dots; y_i^M] + b_o                                           & (4)

========  =========  ==================================================================
symbol    shape      meaning
========  =========  ==================================================================
x         b c h w    input features; x_i is the vector at position i of n = h w
M         number     heads
d         number     width of one head, c / M
q, k, v   b m n d    queries, keys and values of the heads
A         b m n n    weights: row i of head m says where token i looks with that head
y         b c h w    output; nothing is added to x here
========  =========  ==================================================================

Paper, other code and default here:

* The paper has no biases in its equations; the official code has them, and so does this module.
* The paper writes one matrix of width 3 d for queries, keys and values; here they are three
  layers.  This is the same function, and the same number of parameters.
* Weights start Xavier-uniform and biases at zero, as in the official code.  timm starts the
  weights at a normal spread of 0.02.
* Some public code has no output projection with a single head, or fixes d = 64 whatever c is.
  Here W_o is always there, and d = c / M.
* The residual sum, the layer normalisation and the MLP around it are in ``encoder.py``.

The bias of the keys is dead: it adds one number to a whole row of logits.  It is kept, because
the official code has it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import accepted, whole
from attncourse.spatial.vision_transformer.functional import head_maps, head_read, joined, split


class MultiHeadAttention(Attention):
    r"""Let every position read a weighted sum of all, once for each head.

    .. math:: y_i = W_o \bigl[\textstyle\sum_j A_{ij}^1 v_j^1; \dots; \sum_j A_{ij}^M v_j^M\bigr]

    Source: Vaswani et al., *Attention Is All You Need*, NIPS 2017, arXiv 1706.03762, as used by
    Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021, arXiv 2010.11929.  The fused
    kernel has no second derivative: for gradient penalties and Hessians call the block with
    ``need_weights=True``, which also has the forward-mode derivatives.

    Args:
        channels: number of channels c of the input.
        heads: number of heads M; it divides ``channels``.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: the same
        - weights: :math:`(b, M, n, n)`, one map for each head, whose rows sum to 1

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = MultiHeadAttention(64, heads=4)
        >>> y, weights = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 4, 48, 48]))
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        head_width(channels, heads)
        self.channels, self.heads = channels, heads
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query = nn.Linear(channels, channels, **factory)
        self.key = nn.Linear(channels, channels, **factory)
        self.value = nn.Linear(channels, channels, **factory)
        self.out = nn.Linear(channels, channels, **factory)
        self._start()

    def reset_parameters(self) -> None:
        """Draw the weights Xavier-uniform, and set the biases to zero."""
        for layer in (self.query, self.key, self.value, self.out):
            layer.reset_parameters()
        self._start()

    def _start(self) -> None:
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> Tensor:
        """The maps A, (b, M, n, n)."""
        return self.maps(x.flatten(2).mT)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """Values read with given maps, side by side, through W_o."""
        return self._as_map(self.read_with(weights, x.flatten(2).mT), x)

    def attend(self, x: Tensor) -> Tensor:
        """The same without the maps."""
        return self._as_map(self.of_tokens(x.flatten(2).mT), x)

    def maps(self, z: Tensor) -> Tensor:
        """The maps of tokens (b, n, c)."""
        return head_maps(self.query(z), self.key(z), self.heads)

    def read_with(self, weights: Tensor, z: Tensor) -> Tensor:
        """Equations (3) and (4) on tokens (b, n, c)."""
        v = self.value(z)
        return self.out(accepted(self.out, joined(weights.to(v.dtype) @ split(v, self.heads))))

    def of_tokens(self, z: Tensor) -> Tensor:
        """Equations (1) to (4) on tokens (b, n, c), fused."""
        read = head_read(self.query(z), self.key(z), self.value(z), self.heads)
        return self.out(accepted(self.out, read))

    def _as_map(self, y: Tensor, x: Tensor) -> Tensor:
        return y.mT.unflatten(2, x.shape[2:]).to(x.dtype)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        return f"{self.channels}" + (f", heads={self.heads}" if self.heads != 4 else "")


def head_width(channels: int, heads: int = 4) -> int:
    """Width d of one head, ``channels // heads``."""
    whole(channels=channels, heads=heads)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    if heads < 1:
        raise ValueError(f"heads={heads} must be at least 1: one head asks one question")
    if channels % heads:
        raise ValueError(
            f"heads={heads} must divide channels={channels}: each head takes its own share of the "
            f"width; choose another number of heads"
        )
    return channels // heads


def parameter_count(channels: int, heads: int = 4) -> int:
    """Learned parameters: four layers with biases, however many heads share them."""
    head_width(channels, heads)
    return 4 * channels**2 + 4 * channels


def multiply_adds(height: int, width: int, channels: int, heads: int = 4) -> int:
    """Multiply-adds for one image: four projections, and two products of all pairs."""
    head_width(channels, heads)
    n = height * width
    return 4 * n * channels**2 + 2 * n**2 * channels


CARD = Card(
    stem="vision_transformer",
    title="ViT: scaled dot product, many heads",
    category="spatial",
    module=MultiHeadAttention,
    key="dosovitskiy2021vit",
    authors="Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, "
    "Heigold, Gelly, Uszkoreit, Houlsby",
    venue="ICLR",
    year=2021,
    decides="Aᵐ = softmax(qᵐkᵐᵀ / √d), m = 1 … M",
    applies="y = Wₒ [A¹v¹; …; Aᴹvᴹ]",
    weights="b m n n",
    parameters=parameter_count,
    parameters_formula="4C² + 4C",
    macs=multiply_adds,
    macs_formula="4NC² + 2N²C",
    memory="q, k, v and what is read, 4CN; never the maps",
    growth="CN",
)
