r"""CCNet's criss-cross attention (Huang et al., 2019; key ``huang2019ccnet``).

Equations, numbered as in the chapter ``spatial/criss_cross``:

.. math::
    q_u = W_q x_u + b_q, \quad k_u &= W_k x_u + b_k, \quad v_u = W_v x_u + b_v          & (1)\\
    \Omega_u &= \{\text{positions in the row or the column of } u\}                    & (2)\\
    a_{us} &= \frac{e^{q_u^\top k_s}}{\sum_{l \in \Omega_u} e^{q_u^\top k_l}}, \quad s \in \Omega_u
                                                                                        & (3)\\
    y_u &= x_u + \gamma \sum_{s \in \Omega_u} a_{us} v_s                                & (4)\\
    x &\to y \to y' \quad \text{with the same weights: two passes}                      & (5)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; x_u is the vector at position u of n = h w
q, k      b h w d      queries and keys, d = max(1, c // r)
v         b h w c      values
Omega_u   h + w - 1    the cross of u; u itself counts once
a         b h w h+w    weights: slots of the column, the own one 0, then of the row
gamma     1            learned scale, zero at the start
y         b c h w      output of one pass
========  ===========  ==========================================================

Paper, authors' code and default here:

* The paper's equation has no scale gamma; the authors' code multiplies the sum by it and starts it
  at zero.  Here it is as in the code.  Both leave out a divisor of the logits.
* The authors' code keeps 2 h w (h + w) numbers and closes the doubled slot by adding minus
  infinity from a mask on the GPU; an earlier version stored h + w - 1 slots.  All are one function.
* In CCNet a 3x3 convolution stands before the two passes and another one behind, whose output is
  joined with what came in.  This is the part between the convolutions.
* The passes share all weights, gamma included, as in both.
* The authors' head has one pass as its default, and their training calls it with two; so does
  this module.

The bias of the keys is dead: it adds one number to all logits of a position.  It is kept, because
the authors' code has it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import is_plain, whole
from attncourse.spatial.criss_cross.functional import cross_map, gather, lines_first


class CrissCross(Attention):
    r"""Let every position read a weighted sum over its row and column, pass after pass.

    .. math:: y_u = x_u + \gamma \sum_{s \in \Omega_u} a_{us}\, v_s

    Source: Huang et al., *CCNet: Criss-Cross Attention for Semantic Segmentation*, ICCV 2019,
    arXiv 1811.11721.  After one pass a position has heard of h + w - 1 others, after two of all.
    A fresh block is the identity.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the width of queries and keys, ``max(1, c // r)``.
        recurrence: how many passes are made, with the same weights.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, c, h, w)`
        - weights: a tuple with :math:`(b, h, w, h + w)` for each pass: h slots of the column, the
          position's own one exactly zero, and then w of the row; they sum to 1

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = CrissCross(64)
        >>> y, (first, second) = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, first.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 8, 6, 14]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        recurrence: int = 2,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        width = query_width(channels, reduction, recurrence)
        self.channels, self.reduction, self.recurrence = channels, reduction, recurrence
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query = nn.Conv2d(channels, width, 1, **factory)
        self.key = nn.Conv2d(channels, width, 1, **factory)
        self.value = nn.Conv2d(channels, channels, 1, **factory)
        self.gamma = nn.Parameter(torch.zeros(1, **factory))

    def reset_parameters(self) -> None:
        """Draw the projections anew from PyTorch's default, and close the block again."""
        for layer in (self.query, self.key, self.value):
            layer.reset_parameters()
        nn.init.zeros_(self.gamma)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def weigh(self, x: Tensor) -> Tensor:
        """The weights of one pass, (b, h, w, h + w)."""
        return cross_map(lines_first(self.query(x)), lines_first(self.key(x)))

    def step(self, weights: Tensor, x: Tensor) -> Tensor:
        """One pass with given weights, equation (4)."""
        read = gather(weights, lines_first(self.scaled_values(x)))
        return x + read.to(x.dtype).permute(0, 3, 1, 2)

    def scaled_values(self, x: Tensor) -> Tensor:
        """The values times gamma, (b, c, h, w).

        A convolution is linear: gamma times its few weights spares the product with what is read,
        which the backward pass would have to keep.
        """
        value = self.value
        if not is_plain(value, nn.Conv2d) or value.bias is None:
            return self.gamma * value(x)
        kernel, bias = self.gamma * value.weight, self.gamma * value.bias
        return F.conv2d(x, kernel, bias, value.stride, value.padding, value.dilation, value.groups)

    def g(self, x: Tensor) -> tuple[Tensor, ...]:
        """The weights of every pass; those of the second depend on what the first has read."""
        found = []
        for left in reversed(range(self.recurrence)):
            found.append(self.weigh(x))
            x = self.step(found[-1], x) if left else x
        return tuple(found)

    def f(self, weights: tuple[Tensor, ...], x: Tensor) -> Tensor:
        """Pass after pass with given weights, equation (5)."""
        for of_pass in weights:
            x = self.step(of_pass, x)
        return x

    def attend(self, x: Tensor) -> Tensor:
        """``f(g(x), x)`` without making all passes but the last twice."""
        for _ in range(self.recurrence):
            x = self.step(self.weigh(x), x)
        return x

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        if self.reduction != 8:
            parts.append(f"reduction={self.reduction}")
        return ", ".join(parts + ([f"recurrence={self.recurrence}"] * (self.recurrence != 2)))


def query_width(channels: int, reduction: int = 8, recurrence: int = 2) -> int:
    """Width d of queries and keys, ``max(1, channels // reduction)``."""
    whole(channels=channels, reduction=reduction, recurrence=recurrence)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor: pass at least 1")
    if recurrence < 1:
        raise ValueError(f"recurrence={recurrence} must be at least one pass: the paper makes 2")
    return max(1, channels // reduction)


def parameter_count(channels: int, reduction: int = 8, recurrence: int = 2) -> int:
    """Learned parameters: three projections with biases, and gamma; passes share them."""
    width = query_width(channels, reduction, recurrence)
    return 2 * (channels * width + width) + channels**2 + channels + 1


def multiply_adds(
    height: int, width: int, channels: int, reduction: int = 8, recurrence: int = 2
) -> int:
    """Multiply-adds for one image; the closed slot of the column is multiplied, too."""
    d, n = query_width(channels, reduction, recurrence), height * width
    projections = n * channels * (2 * d + channels)
    lines = n * (height + width) * (d + channels)
    return recurrence * (projections + lines + channels**2 + channels)


CARD = Card(
    stem="criss_cross",
    title="CCNet",
    category="spatial",
    module=CrissCross,
    key="huang2019ccnet",
    authors="Huang, Wang, Huang, Huang, Wei, Liu",
    venue="ICCV",
    year=2019,
    decides="a = softmax(qᵀk) over row and column",
    applies="y = x + γ Σ a v, twice",
    weights="b h w h+w, b h w h+w",
    parameters=parameter_count,
    parameters_formula="C² + 2C²/r + 2C/r + C + 1",
    macs=multiply_adds,
    macs_formula="2(N((H + W)(C + C/r) + C² + 2C²/r) + C² + C)",
    memory="N(H + W) numbers for each pass",
    growth="CN",
)
