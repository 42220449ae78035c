r"""Highway layers (Srivastava, Greff and Schmidhuber, 2015; key ``srivastava2015training``).

The first branch attention, and the opening of the chapter ``branch/selective_kernel``:

.. math::
    y &= T \odot H + (1 - T) \odot x                                                & (1)\\
    H &= \delta(W_H x + b_H), \qquad T = \sigma(W_T x + b_T)                        & (2)

========  =======  ===================================================================
symbol    shape    meaning
========  =======  ===================================================================
x         b c      input features; further leading axes are allowed
H         b c      the branch that transforms
T         b c      share of the transformed branch in (0, 1): the attention g(x)
1 - T     b c      share of the branch that carries x on as it is
y         b c      f(g(x), x)
========  =======  ===================================================================

The paper biases the gate towards carrying, with a negative b_T, and leaves how far to a search.
Circulating copies put a learned layer in the place of the carried x, or leave b_T near zero; the
first has no identity left in it, the second hardly trains in the chapter's fifty layers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.layers import positive


def carry(
    t: Float[Tensor, "*b c"], h: Float[Tensor, "*b c"], x: Float[Tensor, "*b c"]
) -> Float[Tensor, "*b c"]:
    """Equation (1) with one product in place of two: ``x + T (H - x)``."""
    return x + t * (h - x)


def highway_reference(
    x: Float[Tensor, "b c"],
    w_h: Float[Tensor, "c c"],
    b_h: Float[Tensor, " c"],
    w_t: Float[Tensor, "c c"],
    b_t: Float[Tensor, " c"],
) -> Float[Tensor, "b c"]:
    """Equations (1) and (2), one image and one unit at a time."""
    images = []
    for row in x:
        units = []
        for c in range(x.shape[1]):
            h = (sum(w_h[c, i] * row[i] for i in range(x.shape[1])) + b_h[c]).clamp(min=0)
            logit = sum(w_t[c, i] * row[i] for i in range(x.shape[1])) + b_t[c]
            t = 1 / (1 + torch.exp(-logit))  # (2)
            units.append(t * h + (1 - t) * row[c])  # (1)
        images.append(torch.stack(units))
    return torch.stack(images)


class Highway(Attention):
    r"""Share every unit between a transformed branch and x itself.

    .. math:: y = T \odot \delta(W_H x + b_H) + (1 - T) \odot x, \qquad T = \sigma(W_T x + b_T)

    Source: Srivastava, Greff and Schmidhuber, *Training Very Deep Networks*, NIPS 2015,
    arXiv 1507.06228.  The pair (T, 1 - T) is a softmax over two branches, with logits
    (W_T x + b_T, 0).

    Args:
        channels: number of units c, the same before and after.
        gate_bias: where b_T starts.  A constant gate at that bias lets the share
            (1 - sigmoid(gate_bias)) ** L of a gradient through the carries of L layers.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c)`, or with more leading axes
        - y: the same
        - weights: T, the same; the carried share is 1 - T

    Raises:
        ValueError: if ``channels`` is not positive, or if ``x`` does not fit.

    Examples:
        >>> layer = Highway(32)
        >>> y, share = layer(torch.randn(2, 32), need_weights=True)
        >>> y.shape, share.shape
        (torch.Size([2, 32]), torch.Size([2, 32]))
    """

    def __init__(
        self,
        channels: int,
        gate_bias: float = -4.0,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(channels=channels)
        self.channels, self.gate_bias = channels, gate_bias
        self.transform = nn.Linear(channels, channels, device=device, dtype=dtype)
        self.gate = nn.Linear(channels, channels, device=device, dtype=dtype)
        self._draw()

    def reset_parameters(self) -> None:
        """He's scale for the transforming branch; the gates start near ``sigmoid(gate_bias)``."""
        self.transform.reset_parameters()  # as at construction, where each layer draws its own
        self.gate.reset_parameters()
        self._draw()

    def _draw(self) -> None:
        nn.init.kaiming_normal_(self.transform.weight, nonlinearity="relu")
        nn.init.zeros_(self.transform.bias)
        nn.init.constant_(self.gate.bias, self.gate_bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless the last axis of ``x`` has ``channels`` units."""
        if x.ndim < 2 or x.shape[-1] != self.channels:
            raise ValueError(
                f"x has the shape {tuple(x.shape)}, but this layer takes (b, {self.channels}): "
                f"add a batch axis with x[None], or move the units to the last axis"
            )

    def g(self, x: Tensor) -> Tensor:
        """The share T of the transformed branch, unit by unit."""
        return torch.sigmoid(self.gate(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The two branches in these shares."""
        return carry(weights, F.relu(self.transform(x)), x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        return str(self.channels) + (
            f", gate_bias={self.gate_bias}" if self.gate_bias != -4 else ""
        )


def highway_parameters(channels: int, gate_bias: float = -4.0) -> int:
    """Learned parameters: two layers with biases."""
    del gate_bias
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    return 2 * (channels**2 + channels)


def highway_multiply_adds(channels: int, gate_bias: float = -4.0) -> int:
    """Multiply-adds for one row of units: two layers, and the product of :func:`carry`."""
    return highway_parameters(channels, gate_bias) - channels


CARD = Card(
    stem="highway",
    within="selective_kernel",
    title="Highway layer",
    category="branch",
    module=Highway,
    key="srivastava2015training",
    authors="Srivastava, Greff, Schmidhuber",
    venue="NIPS",
    year=2015,
    decides="T = σ(W_T x + b_T)",
    applies="y = T ⊙ δ(W_H x + b_H) + (1 − T) ⊙ x",
    weights="b c",
    parameters=highway_parameters,
    parameters_formula="2C² + 2C",
    macs=highway_multiply_adds,
    macs_formula="2C² + C",
    memory="H and T, as large as x",
    growth="C",
    drop_in=False,
    input="b c",
)
