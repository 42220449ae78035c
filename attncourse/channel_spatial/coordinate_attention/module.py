r"""Coordinate attention (Hou et al., 2021; key ``hou2021coordinate``).

Equations, numbered as in the chapter ``channel_spatial/coordinate_attention``:

.. math::
    z^h_{c,i} &= \tfrac1W \textstyle\sum_j x_{c,i,j}                        & (1)\\
    z^w_{c,j} &= \tfrac1H \textstyle\sum_i x_{c,i,j}                        & (2)\\
    [u^h ; u^w] &= \psi\bigl(\mathrm{BN}(W_1 [z^h ; z^w] + b_1)\bigr)       & (3)\\
    p &= \sigma(W_2 u^h + b_2), \qquad q = \sigma(W_3 u^w + b_3)            & (4)\\
    y_{c,i,j} &= p_{c,i}\, q_{c,j}\, x_{c,i,j}                              & (5)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; i counts rows, j columns
z^h, z^w  b c h, b c w means of every row and of every column, channel by channel
W1, b1    d c, d       one layer for all lines, d = max(8, c // 32)
BN                     batch normalisation over the h + w lines of all images
psi                    hard swish, t min(max(t + 3, 0), 6) / 6
u         b d h+w      hidden units of every line
W2, W3    c d, c d     back to c channels, one layer for rows and one for columns, with biases
p, q      b c h, b c w gates of rows and of columns: the attention g(x)
y         b c h w      output f(g(x), x)
========  ===========  ==========================================================

Default here: as the authors' code, with biases in all three layers.  Rows stand before columns in
the concatenation, which changes nothing but the order of sums.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import whole


def lines(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c m"]:
    """Equations (1) and (2): means of the h rows, then of the w columns, m = h + w."""
    return torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)


class CoordinateAttention(Attention):
    r"""Gate every value by its row and by its column, channel by channel.

    .. math:: y_{c,i,j} = p_{c,i}\, q_{c,j}\, x_{c,i,j}

    Source: Hou, Zhou and Feng, *Coordinate Attention for Efficient Mobile Network Design*,
    CVPR 2021, arXiv 2103.02907.
    In MobileNetV2 it stands behind the depthwise convolution of every expanded block.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the hidden width, ``c // r``.
        least_hidden: the hidden width is at least so large.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of rows and columns
        - y: :math:`(b, c, h, w)`
        - weights: p :math:`(b, c, h)` and q :math:`(b, c, w)`, each in (0, 1)

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = CoordinateAttention(64)
        >>> y, (p, q) = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, p.shape, q.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 64, 8]), torch.Size([2, 64, 6]))
        >>> sum(p.numel() for p in block.parameters())
        1688
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 32,
        *,
        least_hidden: int = 8,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = line_width(channels, reduction, least_hidden)
        self.channels, self.reduction, self.hidden_channels = channels, reduction, hidden
        self.least_hidden = least_hidden
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Conv1d(channels, hidden, 1, **factory)
        self.norm = nn.BatchNorm1d(hidden, **factory)
        self.of_rows = nn.Conv1d(hidden, channels, 1, **factory)
        self.of_columns = nn.Conv1d(hidden, channels, 1, **factory)

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's defaults."""
        for layer in (self.reduce, self.norm, self.of_rows, self.of_columns):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equations (1) to (4): the gates of rows, (b, c, h), and of columns, (b, c, w)."""
        rows = x.shape[2]
        u = F.hardswish(self.norm(self.reduce(lines(x))))
        p, q = self.of_rows(u[..., :rows]), self.of_columns(u[..., rows:])
        return torch.sigmoid(p).to(x.dtype), torch.sigmoid(q).to(x.dtype)

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """Equation (5): x gated by rows, and then by columns."""
        p, q = weights
        return x * p[..., None] * q[:, :, None]

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"reduction": 32, "least_hidden": 8}
        own = {name: getattr(self, name) for name in usual}
        named = [f"{name}={own[name]}" for name in usual if own[name] != usual[name]]
        return ", ".join([str(self.channels), *named])


def line_width(channels: int, reduction: int, least_hidden: int) -> int:
    """Hidden units of a line, ``max(least_hidden, channels // reduction)``."""
    whole(channels=channels, reduction=reduction, least_hidden=least_hidden)
    for name, value, remedy in (
        ("channels", channels, "count the channels of x"),
        ("reduction", reduction, "32 in the code"),
        ("least_hidden", least_hidden, "8 in the code"),
    ):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1: {remedy}")
    return max(least_hidden, channels // reduction)


def coordinate_attention_reference(
    x: Float[Tensor, "b c h w"],
    first: tuple[Tensor, Tensor],
    affine: tuple[Tensor, Tensor],
    of_rows: tuple[Tensor, Tensor],
    of_columns: tuple[Tensor, Tensor],
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (5) in eval mode: one image, one line, one value at a time.

    ``first``, ``of_rows`` and ``of_columns`` hold weights (to, from) and biases of a layer;
    ``affine`` the scale and shift of each hidden unit that the normalisation is.
    """
    (w1, b1), (grow, shift) = first, affine

    def gates(line: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        z = torch.stack([channel.sum() / channel.numel() for channel in line])  # (1), (2)
        t = grow * (w1 @ z + b1) + shift
        u = t * (t + 3).clamp(0, 6) / 6  # (3)
        weight, bias = layer
        return 1 / (1 + torch.exp(-(weight @ u + bias)))  # (4)

    images = []
    for image in x:
        p = [gates(image[:, i], of_rows) for i in range(x.shape[2])]
        q = [gates(image[:, :, j], of_columns) for j in range(x.shape[3])]
        gated = [p[i] * q[j] * image[:, i, j] for i in range(len(p)) for j in range(len(q))]  # (5)
        images.append(torch.stack(gated, dim=1).view_as(image))
    return torch.stack(images)


def parameter_count(channels: int, reduction: int = 32, *, least_hidden: int = 8) -> int:
    """Learned parameters: c d + d and 2 d for what all lines share, 2 (c d + c) back."""
    d = line_width(channels, reduction, least_hidden)
    return 3 * channels * d + 3 * d + 2 * channels


def multiply_adds(
    height: int, width: int, channels: int, reduction: int = 32, *, least_hidden: int = 8
) -> int:
    """Multiply-adds for one image: two layers for each line, two means, two products a value."""
    d = line_width(channels, reduction, least_hidden)
    return 2 * channels * d * (height + width) + 4 * channels * height * width


CARD = Card(
    stem="coordinate_attention",
    title="Coordinate attention",
    category="channel_spatial",
    module=CoordinateAttention,
    key="hou2021coordinate",
    authors="Hou, Zhou, Feng",
    venue="CVPR",
    year=2021,
    decides="p = σ(W_2 u(rows of x)), q = σ(W_3 u(columns of x))",
    applies="y = p q x",
    weights="b c h, b c w",
    parameters=parameter_count,
    parameters_formula="3Cd + 3d + 2C, d = max(8, C/r)",
    macs=multiply_adds,
    macs_formula="2Cd(H + W) + 4CN",
    memory="x gated once",
    growth="CN",
)
