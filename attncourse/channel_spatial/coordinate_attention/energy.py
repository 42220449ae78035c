r"""SimAM, a simple attention module without parameters (Yang et al., 2021; ``yang2021simam``).

Equations, numbered as in the chapter ``channel_spatial/coordinate_attention``:

.. math::
    e(t) &= \min_{\omega,\beta}\ \tfrac1n \textstyle\sum_l (-1 - \omega t_l - \beta)^2
             + (1 - \omega t - \beta)^2 + \lambda \omega^2                              & (9)\\
            &= \frac{4(v + \lambda)}{(t - \mu)^2 + 2 v + 2 \lambda}                     & (10)\\
    y_{c,i,j} &= \sigma\Bigl(\frac{(x_{c,i,j} - \mu_c)^2}{4 (v_c + \lambda)} + \tfrac12\Bigr)
                 \, x_{c,i,j}                                                          & (11)

===========  ===========  =========================================================
symbol       shape        meaning
===========  ===========  =========================================================
x            b c h w      input features
t, t_l       1, n         one value of a channel, and the n others
omega, beta  1            slope and intercept of a line that sets t apart from the others
mu, v        b c          mean and variance; in (10) of the others, in (11) of the whole channel
lambda       1            ridge, 1e-4; the authors' command for ImageNet sets 0.1
===========  ===========  =========================================================

Default here: as the authors' code, where the mean is over all N positions and the variance divides
by N - 1.  A map of one position divides by 1 and gives a gate of sigma(1/2); the code divides by 0.
Squares are computed in float32 at least: those of half precision end at 65,504.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import whole
from attncourse.precision import at_least_single, exact


class SimpleAttention(Attention):
    r"""Gate every value by how far it lies from its channel's mean; nothing is learned.

    .. math::
        y_{c,i,j} = \sigma\Bigl(\frac{(x_{c,i,j} - \mu_c)^2}{4 (v_c + \lambda)} + \tfrac12\Bigr)
                    \, x_{c,i,j}

    Source: Yang, Zhang, Li and Xie, *SimAM: A Simple, Parameter-Free Attention Module for
    Convolutional Neural Networks*, ICML 2021.

    Args:
        channels: number of channels c of the input.
        ridge: the number lambda that is added to the variance.
        device: taken for the sake of the other mechanisms; there are no parameters.
        dtype: likewise.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c, h, w)`, each at least :math:`\sigma(1/2) = 0.622`

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = SimpleAttention(64)
        >>> y, gates = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> gates.shape, len(list(block.parameters()))
        (torch.Size([2, 64, 8, 6]), 0)
    """

    def __init__(
        self,
        channels: int,
        *,
        ridge: float = 1e-4,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _checked(channels, ridge)
        self.channels, self.ridge = channels, ridge

    def reset_parameters(self) -> None:
        """There is nothing to draw."""

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def importance(self, x: Tensor) -> Tensor:
        """One over the energy (10) as the code has it, (b, c, h, w), in float32 at least."""
        with exact(x):
            given = x.to(at_least_single(x))
            away = given - given.mean(dim=(2, 3), keepdim=True)
            squares = away * away
            others = max(x.shape[2] * x.shape[3] - 1, 1)
            v = squares.sum(dim=(2, 3), keepdim=True) / others
            return squares / (4 * (v + self.ridge)) + 0.5

    def g(self, x: Tensor) -> Tensor:
        """A gate for each value, (b, c, h, w)."""
        return torch.sigmoid(self.importance(x)).to(x.dtype)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """Equation (11): gate times value."""
        return x * weights

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        return ", ".join([str(self.channels), *[f"ridge={self.ridge}"] * (self.ridge != 1e-4)])


def _checked(channels: int, ridge: float) -> None:
    whole(channels=channels)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: count the channels of x")
    if not ridge > 0:
        raise ValueError(
            f"ridge={ridge} would divide by zero on a constant channel: choose a number above 0, "
            f"1e-4 in the code"
        )


def least_energy(
    value: Float[Tensor, ""], others: Float[Tensor, " n"], ridge: float
) -> Float[Tensor, ""]:
    """Equation (10): the least energy (9) of one value against the others of its channel."""
    mu, v = others.mean(), others.var(correction=0)
    return 4 * (v + ridge) / ((value - mu) ** 2 + 2 * v + 2 * ridge)


def simple_attention_reference(
    x: Float[Tensor, "b c h w"], ridge: float = 1e-4
) -> Float[Tensor, "b c h w"]:
    """Equation (11), one channel and one value at a time."""
    images = []
    for image in x:
        channels = []
        for channel in image:
            values = channel.flatten().unbind()
            mu = sum(values) / len(values)
            v = sum((t - mu) ** 2 for t in values) / max(len(values) - 1, 1)
            gated = [
                t / (1 + torch.exp(-((t - mu) ** 2 / (4 * (v + ridge)) + 0.5))) for t in values
            ]
            channels.append(torch.stack(gated).view_as(channel))
        images.append(torch.stack(channels))
    return torch.stack(images)


def simple_parameters(channels: int, *, ridge: float = 1e-4) -> int:
    """Learned parameters: none."""
    _checked(channels, ridge)
    return 0


def simple_multiply_adds(height: int, width: int, channels: int, *, ridge: float = 1e-4) -> int:
    """Multiply-adds for one image: a mean, squares, their sum, and a product for each value."""
    _checked(channels, ridge)
    return 4 * channels * height * width


CARD = Card(
    stem="simple_attention",
    within="coordinate_attention",
    title="SimAM",
    category="channel_spatial",
    module=SimpleAttention,
    key="yang2021simam",
    authors="Yang, Zhang, Li, Xie",
    venue="ICML",
    year=2021,
    decides="s = σ((x - μ)² / 4(v + λ) + ½)",
    applies="y = s ⊙ x",
    weights="b c h w",
    parameters=simple_parameters,
    parameters_formula="0",
    macs=simple_multiply_adds,
    macs_formula="4CN",
    memory="squares and gates of all values",
    growth="CN",
)
