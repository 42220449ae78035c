r"""Style-based recalibration (Lee, Kim and Nam, 2019; key ``lee2019srm``).

Equations, numbered as in the chapter ``channel/style_recalibration``:

.. math::
    \mu_c &= \frac{1}{HW} \sum_{i,j} x_{c,i,j}, \qquad
    \mathrm{std}_c = \sqrt{\frac{1}{HW} \sum_{i,j} (x_{c,i,j} - \mu_c)^2 + \epsilon}  & (1)\\
    z_c &= w_{c,1}\, \mu_c + w_{c,2}\, \mathrm{std}_c                             & (2)\\
    s_c &= \sigma\Bigl(\gamma_c \frac{z_c - m_c}{\sqrt{v_c + \epsilon}} + \beta_c\Bigr) & (3)\\
    y_{c,i,j} &= s_c\, x_{c,i,j}                                                   & (4)

============  =========  ==================================================================
symbol        shape      meaning
============  =========  ==================================================================
x             b c h w    input features
mu, std       b c        style: mean and standard deviation of each channel
w             c 2        channel-wise fully connected weights (CFC), no bias
m, v          c          mean and variance of z over the batch; running ones in eval mode
gamma, beta   c          scale and shift of the batch normalisation
s             b c        gates in (0, 1): the attention g(x)
y             b c h w    gated features f(g(x), x)
============  =========  ==================================================================

The authors' code divides the squares by HW - 1, which is 0/0 for a map of one position.
Dividing by HW is the default here, and ``unbiased=True`` is theirs.
Weights start at zero and the normalisation at gamma = 1, beta = 0, as in their code, so that a new
block halves its input.  They exempt w, gamma and beta from weight decay; that is the optimiser's
business.
The batch normalisation sees one number an image, so that training needs two images.

Residual SRM is the same block at the end of a residual branch, before the addition: pass the
class as ``attention`` to a residual network of :mod:`attncourse.backbones`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import scale
from attncourse.layers import accepted, check_statistics, positive
from attncourse.precision import at_least_single, exact

#: Under the root of the standard deviation, so that a constant channel has a gradient.
EPSILON = 1e-5


def style(
    x: Float[Tensor, "b c h w"], *, unbiased: bool = False, eps: float = EPSILON
) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
    """Equation (1): mean and standard deviation of each channel, in float32 at least.

    The mean is subtracted before squaring.  A mean of squares less the square of the mean is the
    same number in algebra, and loses all its digits where the mean is large against the spread.
    """
    x = x.to(at_least_single(x))
    mean = x.mean(dim=(2, 3))
    away = x - mean[:, :, None, None]
    # A product and a sum: faster than ``x.var`` on processors, and unlike a norm it has a second
    # derivative where a channel is constant.
    variance = (away * away).sum(dim=(2, 3)) / (x.shape[2] * x.shape[3] - int(unbiased))
    return mean, torch.sqrt(variance + eps)


def integrate(
    mean: Float[Tensor, "b c"], std: Float[Tensor, "b c"], weight: Float[Tensor, "c 2"]
) -> Float[Tensor, "b c"]:
    """Equation (2): each channel weighs its own two numbers."""
    return weight[:, 0] * mean + weight[:, 1] * std


def style_recalibration_reference(
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "c 2"],
    affine: tuple[Float[Tensor, " c"], Float[Tensor, " c"]],
    *,
    unbiased: bool = False,
    eps: float = EPSILON,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (4), one image, one channel and one pixel at a time.

    ``affine`` is the batch normalisation as a scale and a shift, with whatever statistics.
    """
    (batch, channels, height, width), images = x.shape, []
    for n in range(batch):
        gated = []
        for c in range(channels):
            pixels = [x[n, c, i, j] for i in range(height) for j in range(width)]
            mean = torch.stack(pixels).sum() / len(pixels)
            squares = torch.stack([(pixel - mean) ** 2 for pixel in pixels]).sum()
            std = torch.sqrt(squares / (len(pixels) - int(unbiased)) + eps)  # (1)
            z = weight[c, 0] * mean + weight[c, 1] * std  # (2)
            s = 1 / (1 + torch.exp(-(affine[0][c] * z + affine[1][c])))  # (3)
            gated.append(s * x[n, c])  # (4)
        images.append(torch.stack(gated))
    return torch.stack(images)


class StyleRecalibration(Attention):
    r"""Gate every channel by its own mean and standard deviation, relative to the batch.

    .. math:: y = s \odot x, \qquad
        s = \sigma\bigl(\mathrm{BN}(w_1 \odot \mu(x) + w_2 \odot \mathrm{std}(x))\bigr)

    Source: Lee, Kim and Nam, *SRM: A Style-based Recalibration Module for Convolutional Neural
    Networks*, ICCV 2019, arXiv 1903.10829.
    In a residual block it stands after the last normalisation and before the addition.

    Args:
        channels: number of channels c of the input.
        unbiased: divide by one less than the number of positions, as the authors' code does; a
            map of one position then has no standard deviation and is refused.
        eps: added to the variance under the root.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode :math:`b \ge 2`
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if ``channels`` or ``eps`` is too small, if ``x`` does not fit, if it is a batch
            of one in training mode, or if it has one position and ``unbiased`` is set.

    Examples:
        >>> block = StyleRecalibration(64)
        >>> y, gates = block(torch.randn(2, 64, 8, 8), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 8, 8]), torch.Size([2, 64]))
        >>> bool((gates == 0.5).all())  # before any training
        True
    """

    def __init__(
        self,
        channels: int,
        *,
        unbiased: bool = False,
        eps: float = EPSILON,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(channels=channels)
        if not eps > 0:
            raise ValueError(
                f"eps={eps} must be positive: without it the root of a constant channel's "
                f"variance has no gradient"
            )
        self.channels, self.unbiased, self.eps = channels, unbiased, eps
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.zeros(channels, 2, **factory))
        self.norm = nn.BatchNorm1d(channels, **factory)

    def reset_parameters(self) -> None:
        """Zero weights and a fresh normalisation: every gate is then 1/2."""
        nn.init.zeros_(self.weight)
        self.norm.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w), with b > 1 in training."""
        validate_features(x, self.channels)
        check_statistics(self.norm, "norm", x.shape[0], x)
        if self.unbiased and x.shape[2] * x.shape[3] == 1:
            raise ValueError(
                f"x has one position (shape {tuple(x.shape)}), and unbiased=True divides by one "
                f"less: build the block with unbiased=False, or pass larger maps"
            )

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        with exact(x):
            mean, std = style(x, unbiased=self.unbiased, eps=self.eps)
            z = integrate(mean, std, self.weight)
            return torch.sigmoid(self.norm(accepted(self.norm, z)))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return scale(weights.to(x.dtype), x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels), *(["unbiased=True"] if self.unbiased else [])]
        return ", ".join(parts + ([] if self.eps == EPSILON else [f"eps={self.eps}"]))


def parameter_count(channels: int, *, unbiased: bool = False, eps: float = EPSILON) -> int:
    """Learned parameters: two weights, a scale and a shift for each channel."""
    del unbiased, eps
    return 4 * channels


def multiply_adds(
    height: int, width: int, channels: int, *, unbiased: bool = False, eps: float = EPSILON
) -> int:
    """Multiply-adds for one image: mean, squares, their sum and the product, and 2 c."""
    del unbiased, eps
    return 4 * channels * height * width + 2 * channels


CARD = Card(
    stem="style_recalibration",
    title="SRM and residual SRM",
    category="channel",
    module=StyleRecalibration,
    key="lee2019srm",
    authors="Lee, Kim, Nam",
    venue="ICCV",
    year=2019,
    decides="s = σ(BN(w₁ ⊙ μ(x) + w₂ ⊙ std(x)))",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="4C",
    macs=multiply_adds,
    macs_formula="4CHW + 2C",
    memory="one copy of x, centred",
    growth="CN",
)
