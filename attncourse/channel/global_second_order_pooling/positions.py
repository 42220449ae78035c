r"""GSoP over positions: the spatial branch of Gao, Xie, Wang and Li (2019; ``gao2019gsop``).

.. math::
    Z &= \mathrm{pool}_{g \times g}\bigl(\mathrm{BN}(W_{dr} * x + b_{dr})\bigr)
        \in \mathbb R^{d \times g^2}                                                     & (12)\\
    \Sigma &= Z^\top \bar I Z, \quad
        \bar I = \tfrac1d \bigl(I - \tfrac1d \mathbf 1 \mathbf 1^\top\bigr)              & (13)\\
    p &= \mathrm{resize}\bigl(\sigma(W\,\delta_a(\mathrm{RC}(\mathrm{BN}(\Sigma))))\bigr),
        \qquad y_{c,i,j} = p_{i,j}\, x_{c,i,j}                                           & (14)

The roles of channels and positions are exchanged: g x g cells of the map are the variables, d
reduced channels the observations.  Rows, normalisation and the rest are those of (3) and (4) of
the package's ``module``; both poolings and the resizing average over adaptive windows.

Here the branch gives one gate for each position.  In the released code its output is
:math:`\delta(p \odot x)`, alone, or added to the gated channels, or in a maximum with them.

Where the released code differs, and the switch that gives its form:

* A ReLU stands before the reducing convolution and another behind the product.  ``rectify=True``.
* Its centring matrix is d x d with the constants of g^2 values.  With d = 128 and g^2 = 64 its
  constant direction has the eigenvalue -1/64, so that the product is no covariance and may have
  negative eigenvalues.  ``released_centring=True``.

A slope of 0, a ReLU, is theirs, and the default.  The paper's text on this branch was not read.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.global_second_order_pooling.covariance import covariance, off_centre
from attncourse.channel.global_second_order_pooling.module import check_block
from attncourse.layers import accepted, check_statistics, whole
from attncourse.precision import at_least_single, exact


class SecondOrderPositions(Attention):
    r"""Gate every position by the covariances of a grid of positions.

    .. math:: y = p \odot x, \qquad
        p = \mathrm{resize}\bigl(\sigma(W\,\delta_a(\mathrm{RC}(\mathrm{BN}(\Sigma))))\bigr),
        \qquad \Sigma = Z^\top \bar I Z

    Source: Gao, Xie, Wang and Li, *Global Second-Order Pooling Convolutional Networks*, CVPR 2019,
    arXiv 1811.12006, as its released code has it.  On a GPU
    ``torch.use_deterministic_algorithms(True)`` refuses the backward pass of adaptive pooling.

    Args:
        channels: number of channels c of the input.
        reduced_channels: channels d after the reduction, the observations.
        grid: cells g along each axis; the covariance is g^2 x g^2.
        expansion: weight vectors e for each row of the covariance.
        slope: of the LeakyReLU behind them; 0 is a ReLU, 1 leaves it out.
        rectify: a ReLU before the reduction and another behind the product, as released.
        released_centring: the wrong-sized centring matrix of the released code.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode more than one image or position
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, h, w)`, each in (0, 1)

    Raises:
        ValueError: if a size is below 1, if ``slope`` is no share, if ``x`` does not fit, or if a
            normalisation would see one value for each channel in training mode.

    Examples:
        >>> block = SecondOrderPositions(64, reduced_channels=16, grid=4)
        >>> y, gates = block(torch.randn(2, 64, 14, 14), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 14, 14]), torch.Size([2, 14, 14]))
    """

    def __init__(
        self,
        channels: int,
        reduced_channels: int = 128,
        *,
        grid: int = 8,
        expansion: int = 4,
        slope: float = 0.0,
        rectify: bool = False,
        released_centring: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_block(channels, reduced_channels, expansion, slope)
        whole(grid=grid)
        if grid < 1:
            raise ValueError(f"grid={grid} must be at least 1: the authors' is 8")
        self.channels, self.reduced_channels, self.grid = channels, reduced_channels, grid
        self.expansion, self.slope, self.rectify = expansion, slope, rectify
        self.released_centring = released_centring
        cells = grid * grid
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Conv2d(channels, reduced_channels, 1, **factory)
        self.norm = nn.BatchNorm2d(reduced_channels, **factory)
        self.row_norm = nn.BatchNorm1d(cells, **factory)
        self.rows = nn.Conv1d(cells, expansion * cells, cells, groups=cells, **factory)
        self.expand = nn.Linear(expansion * cells, cells, **factory)

    def reset_parameters(self) -> None:
        """Draw every layer anew from PyTorch's default, and the normalisations as they start."""
        for layer in (self.reduce, self.norm, self.row_norm, self.rows, self.expand):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) and can be normalised."""
        validate_features(x, self.channels)
        b, _, h, w = x.shape
        check_statistics(self.norm, "norm", b * h * w, x)
        check_statistics(self.row_norm, "row_norm", b * self.grid**2, x)

    def covariances(self, x: Tensor) -> Tensor:
        """Equations (12) and (13), (b, g^2, g^2), in float32 at least."""
        z = self.norm(self.reduce(F.relu(x) if self.rectify else x))
        with exact(x):
            z = F.adaptive_avg_pool2d(z.to(at_least_single(z)), self.grid)
            cells = z.flatten(2).mT
            return off_centre(cells, self.grid**2) if self.released_centring else covariance(cells)

    def g(self, x: Tensor) -> Tensor:
        """The gates p, (b, h, w)."""
        sigma = self.covariances(x)
        with exact(x):
            rows = self.rows(self.row_norm(accepted(self.row_norm, sigma)))
            v = F.leaky_relu(rows.flatten(1), self.slope)
            gates = torch.sigmoid(self.expand(v)).unflatten(1, (1, self.grid, self.grid))
            return F.adaptive_avg_pool2d(gates, (x.shape[2], x.shape[3]))[:, 0]

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        y = x * weights.to(x.dtype)[:, None]
        return F.relu(y) if self.rectify else y

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"reduced_channels": 128, "grid": 8, "expansion": 4, "slope": 0.0,
                 "rectify": False, "released_centring": False}  # fmt: skip
        parts = [f"{name}={getattr(self, name)}" for name in usual
                 if getattr(self, name) != usual[name]]  # fmt: skip
        return ", ".join([str(self.channels), *parts])


def positions_parameter_count(
    channels: int,
    reduced_channels: int = 128,
    *,
    grid: int = 8,
    expansion: int = 4,
    **switches: object,
) -> int:
    """Learned parameters: reduction, two normalisations, row-wise convolution, expansion."""
    del switches
    c, d, m, e = channels, reduced_channels, grid * grid, expansion
    return d * c + 3 * d + 2 * e * m * m + (3 + e) * m


def positions_multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduced_channels: int = 128,
    *,
    grid: int = 8,
    expansion: int = 4,
    **switches: object,
) -> int:
    """Multiply-adds for one image: reduction, covariance, rows, expansion and the gated map.

    The two poolings are not counted.
    """
    c, d, m, e = channels, reduced_channels, grid * grid, expansion
    # The released form takes the product of the sums away in place of the mean.
    centred = (d + 1) * m * m + d * m if switches.get("released_centring") else d * m + d * m * m
    return (c * d + c) * height * width + centred + 2 * e * m * m


POSITIONS = Card(
    stem="second_order_positions",
    title="GSoP over positions",
    category="channel",
    module=SecondOrderPositions,
    key="gao2019gsop",
    authors="Gao, Xie, Wang, Li",
    venue="CVPR",
    year=2019,
    decides="p = σ(W δ(RC(BN(Σ)))), Σ = Cov(Zᵀ)",
    applies="y = p ⊙ x",
    weights="b h w",
    parameters=positions_parameter_count,
    parameters_formula="DC + 3D + 8G⁴ + 7G²",
    macs=positions_multiply_adds,
    macs_formula="CDHW + CHW + DG² + DG⁴ + 8G⁴",
    memory="D reduced channels and G² × G² covariances",
    growth="N",
    within="global_second_order_pooling",
)
