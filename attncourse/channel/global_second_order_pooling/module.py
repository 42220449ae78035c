r"""Global second-order pooling, GSoP (Gao, Xie, Wang and Li, 2019; key ``gao2019gsop``).

Equations, numbered as in the chapter ``channel/global_second_order_pooling``:

.. math::
    Z &= \mathrm{BN}(W_{dr} * x + b_{dr}) \in \mathbb R^{d \times M}                      & (1)\\
    \Sigma &= Z \bar I Z^\top, \quad
        \bar I = \tfrac1M \bigl(I - \tfrac1M \mathbf 1 \mathbf 1^\top\bigr)               & (2)\\
    v_{i,k} &= \delta_a\bigl(\langle w_{i,k}, \mathrm{BN}_i(\Sigma_{i,:}) \rangle
        + b_{i,k}\bigr)                                                                   & (3)\\
    s &= \sigma(W v + b), \qquad y_{c,i,j} = s_c\, x_{c,i,j}                              & (4)

=============  ===========  ====================================================================
symbol         shape        meaning
=============  ===========  ====================================================================
x              b c h w      input features
W dr, b dr     d c, d       1x1 convolution that reduces c channels to d
Z              b d m        reduced features at their m positions
Sigma          b d d        covariance of the d reduced channels over the positions
w              d e d        e weight vectors for each row of the covariance: row-wise convolution
v              b e d        what the rows say
W, b           c ed, c      from there to the channels
s              b c          gates in (0, 1): the attention g(x)
y              b c h w      gated features f(g(x), x)
=============  ===========  ====================================================================

BN_i normalises row i over the batch and the columns; e = 4, d = 128.  The function after the
row-wise convolution is a LeakyReLU of slope a = 0.1, as an account of the paper has it that we
could not hold beside the paper.

Where the authors' released code differs, and the switch that gives its form:

* No function follows the row-wise convolution.  ``slope=1.0``, which is the identity.
* A ReLU stands before the reducing convolution and another after its normalisation; the gates act
  on x as it was.  ``rectify=True``.
* Where a stage has 256 channels the reducing convolution has stride 2.  ``stride=2``.
* It builds the M x M matrix of (2).  Here the mean is subtracted: the same covariance.
* It draws convolutions from He's normal distribution; here they start as PyTorch's do.

In training the reducing convolution's bias is cancelled by the normalisation behind it; it is
kept, because released weights have it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.global_second_order_pooling.covariance import covariance
from attncourse.channel.squeeze_excitation import scale
from attncourse.layers import accepted, check_statistics, positive, whole
from attncourse.precision import at_least_single, exact


def check_block(channels: int, reduced_channels: int, expansion: int, slope: float) -> None:
    """Raise unless the sizes are whole and at least 1 and the slope is a share."""
    whole(channels=channels, reduced_channels=reduced_channels, expansion=expansion)
    for name, value in (
        ("channels", channels), ("reduced_channels", reduced_channels), ("expansion", expansion),
    ):  # fmt: skip
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if not 0 <= slope <= 1:
        raise ValueError(f"slope={slope} must lie from 0, a ReLU, to 1, no function at all")


class GlobalSecondOrderPooling(Attention):
    r"""Gate every channel by the covariances of reduced channels.

    .. math:: y = s \odot x, \qquad
        s = \sigma\bigl(W\,\delta_a(\mathrm{RC}(\mathrm{BN}(\Sigma)))\bigr), \qquad
        \Sigma = Z \bar I Z^\top

    Source: Gao, Xie, Wang and Li, *Global Second-Order Pooling Convolutional Networks*, CVPR 2019,
    arXiv 1811.12006.  The authors put it into the last residual block of each stage, before the
    addition.

    Args:
        channels: number of channels c of the input.
        reduced_channels: channels d after the reduction; the covariance is d x d.
        expansion: weight vectors e for each row of the covariance.
        slope: of the LeakyReLU behind them; 1 leaves it out, as the released code does.
        rectify: a ReLU before and after the reduction, as in the released code.
        stride: of the reduction.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode more than one image or position
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if a size is below 1, if ``slope`` is no share, if ``x`` does not fit, or if a
            normalisation would see one value for each channel in training mode.

    Examples:
        >>> block = GlobalSecondOrderPooling(64, reduced_channels=16)
        >>> y, gates = block(torch.randn(2, 64, 14, 14), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 14, 14]), torch.Size([2, 64]))
        >>> block.covariances(torch.randn(2, 64, 14, 14)).shape
        torch.Size([2, 16, 16])
    """

    def __init__(
        self,
        channels: int,
        reduced_channels: int = 128,
        *,
        expansion: int = 4,
        slope: float = 0.1,
        rectify: bool = False,
        stride: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_block(channels, reduced_channels, expansion, slope)
        positive(stride=stride)
        self.channels, self.reduced_channels, self.expansion = channels, reduced_channels, expansion
        self.slope, self.rectify, self.stride = slope, rectify, stride
        d, factory = reduced_channels, {"device": device, "dtype": dtype}
        extra: dict[str, Any] = factory
        self.reduce = nn.Conv2d(channels, d, 1, stride=stride, **extra)
        self.norm = nn.BatchNorm2d(d, **extra)
        self.row_norm = nn.BatchNorm1d(d, **extra)
        self.rows = nn.Conv1d(d, expansion * d, d, groups=d, **extra)
        self.expand = nn.Linear(expansion * d, channels, **extra)

    def reset_parameters(self) -> None:
        """Draw every layer anew from PyTorch's default, and the normalisations as they start."""
        for layer in (self.reduce, self.norm, self.row_norm, self.rows, self.expand):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) and can be normalised."""
        validate_features(x, self.channels)
        b, _, h, w = x.shape
        positions = (1 + (h - 1) // self.stride) * (1 + (w - 1) // self.stride)
        check_statistics(self.norm, "norm", b * positions, x)
        check_statistics(self.row_norm, "row_norm", b * self.reduced_channels, x)

    def reduced(self, x: Tensor) -> Tensor:
        """Equation (1), (b, d, m)."""
        z = self.norm(self.reduce(F.relu(x) if self.rectify else x))
        return (F.relu(z) if self.rectify else z).flatten(2)

    def covariances(self, x: Tensor) -> Tensor:
        """Equation (2), (b, d, d), in float32 at least."""
        z = self.reduced(x)
        with exact(x):
            return covariance(z.to(at_least_single(z)))

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        sigma = self.covariances(x)
        with exact(x):
            rows = self.rows(self.row_norm(accepted(self.row_norm, sigma)))
            v = F.leaky_relu(rows.flatten(1), self.slope)
            return torch.sigmoid(self.expand(v))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return scale(weights.to(x.dtype), x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"reduced_channels": 128, "expansion": 4, "slope": 0.1, "rectify": False,
                 "stride": 1}  # fmt: skip
        parts = [f"{name}={getattr(self, name)}" for name in usual
                 if getattr(self, name) != usual[name]]  # fmt: skip
        return ", ".join([str(self.channels), *parts])


def parameter_count(
    channels: int, reduced_channels: int = 128, *, expansion: int = 4, **switches: object
) -> int:
    """Learned parameters: both layers, the row-wise convolution and two normalisations."""
    del switches
    c, d, e = channels, reduced_channels, expansion
    return (1 + e) * d * c + c + e * d * d + (5 + e) * d


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduced_channels: int = 128,
    *,
    expansion: int = 4,
    stride: int = 1,
    **switches: object,
) -> int:
    """Multiply-adds for one image: reduction, covariance, rows, expansion, gated channels."""
    del switches
    c, d, e = channels, reduced_channels, expansion
    m = (1 + (height - 1) // stride) * (1 + (width - 1) // stride)
    return c * d * m + d * m + d * d * m + e * d * d + e * d * c + c * height * width


CARD = Card(
    stem="global_second_order_pooling",
    title="GSoP-Net",
    category="channel",
    module=GlobalSecondOrderPooling,
    key="gao2019gsop",
    authors="Gao, Xie, Wang, Li",
    venue="CVPR",
    year=2019,
    decides="s = σ(W δ(RC(BN(Σ)))), Σ = Cov(Z)",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="5DC + C + 4D² + 9D",
    macs=multiply_adds,
    macs_formula="(C + D + 1)DHW + CHW + 4D² + 4DC",
    memory="D reduced channels and D × D covariances",
    growth="N",
)
