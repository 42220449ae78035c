r"""Gated channel transformation, GCT (Yang, Zhu, Wu and Yang, 2020; key ``yang2020gated``).

Equations, numbered as in the chapter ``channel/gated_channel_transformation``:

.. math::
    z_c &= \alpha_c \sqrt{\textstyle\sum_{i,j} x_{c,i,j}^2 + \epsilon}                & (1)\\
    \hat z_c &= \frac{z_c}{\sqrt{\frac{1}{C} \sum_k z_k^2 + \epsilon}}                & (2)\\
    s_c &= 1 + \tanh(\gamma_c \hat z_c + \beta_c)                                     & (3)\\
    y_{c,i,j} &= s_c\, x_{c,i,j}                                                      & (4)

With ``norm="l1"`` the first two are

.. math::
    z_c = \alpha_c \textstyle\sum_{i,j} |x_{c,i,j}|, \qquad
    \hat z_c = \frac{z_c}{\frac{1}{C} \sum_k |z_k| + \epsilon}                        \qquad (9)

==================  =========  ================================================================
symbol              shape      meaning
==================  =========  ================================================================
x                   b c h w    input features
alpha               c          how much the norm of each channel counts
z                   b c        the weighted norms
z hat               b c        the same over their root mean square in the image: competition
gamma, beta         c          slope and shift of each gate
s                   b c        gates in (0, 2): the attention g(x)
y                   b c h w    gated features f(g(x), x)
==================  =========  ================================================================

The authors write y = x + x tanh(...), which is (3) and (4) in one.
The defaults are those of their released code, where eps stands beside the mean in (2); written
with a sum over channels it is c eps.  Their code has a switch for inputs after a ReLU that leaves
out the absolute value of (9); it changes no number there and is not needed here.
Weights start at alpha = 1, gamma = beta = 0, so that a new block is the identity.
The authors exempt beta from weight decay in their PyTorch script; that is the optimiser's business.
Their block stands before every convolution.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import scale
from attncourse.layers import positive
from attncourse.precision import at_least_single, exact

NORMS = ("l2", "l1")
#: Under both roots, so that a channel without any signal has a gradient.
EPSILON = 1e-5


def embed(
    x: Float[Tensor, "b c h w"],
    alpha: Float[Tensor, " c"],
    *,
    norm: str = "l2",
    eps: float = EPSILON,
) -> Float[Tensor, "b c"]:
    """Equation (1), or the first half of (9): the weighted norm of each channel."""
    x = x.to(at_least_single(x))
    if norm == "l1":
        return alpha * x.abs().sum(dim=(2, 3))
    # A product and a sum.  ``vector_norm`` has no second derivative at a channel of zeros.
    return alpha * ((x * x).sum(dim=(2, 3)) + eps).sqrt()


def compete(
    z: Float[Tensor, "b c"], *, norm: str = "l2", eps: float = EPSILON
) -> Float[Tensor, "b c"]:
    """Equation (2), or the second half of (9): each norm relative to those of all channels."""
    if norm == "l1":
        return z / (z.abs().mean(dim=1, keepdim=True) + eps)
    return z / ((z * z).mean(dim=1, keepdim=True) + eps).sqrt()


def gated_channel_transformation_reference(
    x: Float[Tensor, "b c h w"],
    alpha: Float[Tensor, " c"],
    gamma: Float[Tensor, " c"],
    beta: Float[Tensor, " c"],
    *,
    norm: str = "l2",
    eps: float = EPSILON,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (4), or (9), one image, one channel and one pixel at a time."""
    (batch, channels, height, width), images = x.shape, []
    for n in range(batch):
        z = []
        for c in range(channels):
            total = x.new_zeros(())
            for i in range(height):
                for j in range(width):
                    pixel = x[n, c, i, j]
                    total = total + (pixel**2 if norm == "l2" else pixel.abs())
            z.append(alpha[c] * ((total + eps) ** 0.5 if norm == "l2" else total))  # (1)
        size = x.new_zeros(())
        for each in z:
            size = size + (each**2 if norm == "l2" else each.abs()) / channels
        divisor = (size + eps) ** 0.5 if norm == "l2" else size + eps
        gated = []
        for c in range(channels):
            s = 1 + torch.tanh(gamma[c] * z[c] / divisor + beta[c])  # (2), (3)
            gated.append(s * x[n, c])  # (4)
        images.append(torch.stack(gated))
    return torch.stack(images)


class GatedChannelTransformation(Attention):
    r"""Gate every channel by its own norm, relative to the norms of all channels of the image.

    .. math:: y = s \odot x, \qquad
        s = 1 + \tanh\bigl(\gamma \odot \mathrm{CN}(\alpha \odot \lVert x \rVert) + \beta\bigr)

    Source: Yang, Zhu, Wu and Yang, *Gated Channel Transformation for Visual Recognition*,
    CVPR 2020, arXiv 1909.11519.
    The authors put it before every convolution of a network.

    Args:
        channels: number of channels c of the input.
        norm: ``"l2"``, equations (1) and (2), or ``"l1"``, equation (9).
        eps: added to the sum of squares and to the mean over channels.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 2)

    Raises:
        ValueError: if ``channels`` or ``eps`` is too small, if ``norm`` is unknown, or if ``x``
            does not fit.

    Examples:
        >>> block = GatedChannelTransformation(64)
        >>> x = torch.randn(2, 64, 8, 8)
        >>> y, gates = block(x, need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 8, 8]), torch.Size([2, 64]))
        >>> torch.equal(y, x)  # before any training
        True
    """

    def __init__(
        self,
        channels: int,
        *,
        norm: str = "l2",
        eps: float = EPSILON,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(channels=channels)
        if norm not in NORMS:
            raise ValueError(f"norm={norm!r} is unknown: choose 'l2' or 'l1'")
        if not eps > 0:
            raise ValueError(
                f"eps={eps} must be positive: without it the root of a channel of zeros has no "
                f"gradient"
            )
        self.channels, self.norm, self.eps = channels, norm, eps
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.alpha = nn.Parameter(torch.ones(channels, **factory))
        self.gamma = nn.Parameter(torch.zeros(channels, **factory))
        self.beta = nn.Parameter(torch.zeros(channels, **factory))

    def reset_parameters(self) -> None:
        """Alpha 1, gamma and beta 0: every gate is then exactly 1."""
        nn.init.ones_(self.alpha)
        nn.init.zeros_(self.gamma)
        nn.init.zeros_(self.beta)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def compete(self, x: Tensor) -> Tensor:
        """Equation (2): the norms relative to one another, (b, c)."""
        z = embed(x, self.alpha, norm=self.norm, eps=self.eps)
        return compete(z, norm=self.norm, eps=self.eps)

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        with exact(x):
            return 1 + torch.tanh(self.gamma * self.compete(x) + self.beta)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return scale(weights.to(x.dtype), x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels), *([] if self.norm == "l2" else [f"norm={self.norm!r}"])]
        return ", ".join(parts + ([] if self.eps == EPSILON else [f"eps={self.eps}"]))


def parameter_count(channels: int, *, norm: str = "l2", eps: float = EPSILON) -> int:
    """Learned parameters: three numbers for each channel."""
    del norm, eps
    return 3 * channels


def multiply_adds(
    height: int, width: int, channels: int, *, norm: str = "l2", eps: float = EPSILON
) -> int:
    """Multiply-adds for one image: squares, their sum and the product, and a few c."""
    del eps
    if norm == "l1":
        return 2 * channels * height * width + 3 * channels
    return 3 * channels * height * width + 4 * channels


CARD = Card(
    stem="gated_channel_transformation",
    title="GCT",
    category="channel",
    module=GatedChannelTransformation,
    key="yang2020gated",
    authors="Yang, Zhu, Wu, Yang",
    venue="CVPR",
    year=2020,
    decides="s = 1 + tanh(γ ⊙ CN(α ⊙ ‖x‖₂) + β)",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="3C",
    macs=multiply_adds,
    macs_formula="3CHW + 4C",
    memory="one copy of x, squared",
    growth="CN",
)
