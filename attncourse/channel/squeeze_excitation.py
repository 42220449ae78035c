r"""Squeeze-and-Excitation (Hu, Shen and Sun, 2018; key ``hu2018squeeze``).

Equations, numbered as in the chapter ``channel/squeeze_excitation``:

.. math::
    z_c &= \frac{1}{HW} \sum_{i,j} x_{c,i,j}                                   & (1)\\
    s &= \sigma\bigl(W_2\, \delta(W_1 z + b_1) + b_2\bigr)                     & (2)\\
    y_{c,i,j} &= s_c\, x_{c,i,j}                                               & (3)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features
z         b c          squeeze: the mean of every channel over all positions
W1, b1    d c, d       reduction to d = c // r hidden units
W2, b2    c d, c       expansion back to c channels
s         b c          gates in (0, 1): the attention g(x)
y         b c h w      gated features f(g(x), x)
========  ===========  ==========================================================

Paper and released code differ in one point: the paper's equation has no biases, the authors'
Caffe models have biases in both layers.  ``bias=True`` is the default here.
The hidden width is exactly ``c // r``; some libraries round it to a multiple of eight.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import positive, whole


def squeeze(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """Equation (1): the mean of each channel over all positions."""
    return x.mean(dim=(2, 3))


def excite(
    z: Float[Tensor, "b c"],
    w1: Float[Tensor, "d c"],
    b1: Float[Tensor, " d"] | None,
    w2: Float[Tensor, "c d"],
    b2: Float[Tensor, " c"] | None,
) -> Float[Tensor, "b c"]:
    """Equation (2): the gates from the squeezed channels, through a bottleneck of d units."""
    return torch.sigmoid(F.linear(F.relu(F.linear(z, w1, b1)), w2, b2))


def scale(s: Float[Tensor, "b c"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Equation (3): every position of channel c times the one gate of channel c."""
    return s[:, :, None, None] * x


def squeeze_excitation_reference(
    x: Float[Tensor, "b c h w"],
    w1: Float[Tensor, "d c"],
    b1: Float[Tensor, " d"] | None,
    w2: Float[Tensor, "c d"],
    b2: Float[Tensor, " c"] | None,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (3), one image, one channel and one hidden unit at a time."""
    (batch, channels, height, width), hidden = x.shape, w1.shape[0]
    b1 = x.new_zeros(hidden) if b1 is None else b1
    b2 = x.new_zeros(channels) if b2 is None else b2
    images = []
    for n in range(batch):
        z = [x[n, c].sum() / (height * width) for c in range(channels)]  # (1)
        units = []
        for a in range(hidden):
            pre = b1[a]
            for c in range(channels):
                pre = pre + w1[a, c] * z[c]
            units.append(pre.clamp(min=0))
        gated = []
        for c in range(channels):
            logit = b2[c]
            for a in range(hidden):
                logit = logit + w2[c, a] * units[a]
            s = 1 / (1 + torch.exp(-logit))  # (2)
            gated.append(s * x[n, c])  # (3)
        images.append(torch.stack(gated))
    return torch.stack(images)


class SqueezeExcitation(Attention):
    r"""Gate every channel by a function of all channel means.

    .. math:: y = s \odot x, \qquad s = \sigma(W_2\,\delta(W_1\,\mathrm{GAP}(x) + b_1) + b_2)

    Source: Hu, Shen and Sun, *Squeeze-and-Excitation Networks*, CVPR 2018, arXiv 1709.01507.
    In a residual block it stands after the last normalisation and before the addition.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the hidden width, ``c // r``.
        hidden_channels: hidden width, in place of ``c // r``.
        bias: whether both linear layers have biases, as in the authors' released models.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if no hidden unit would be left, or if ``x`` does not fit.

    Examples:
        >>> block = SqueezeExcitation(64)
        >>> y, gates = block(torch.randn(2, 64, 8, 8), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 8, 8]), torch.Size([2, 64]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        hidden_channels: int | None = None,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.reduction, self.bias = channels, reduction, bias
        self.hidden_channels = hidden_width(channels, reduction, hidden_channels)
        factory = {"device": device, "dtype": dtype}
        self.reduce = nn.Linear(channels, self.hidden_channels, bias=bias, **factory)
        self.expand = nn.Linear(self.hidden_channels, channels, bias=bias, **factory)

    def reset_parameters(self) -> None:
        """Draw both layers anew from PyTorch's default; the gates then start near 1/2."""
        self.reduce.reset_parameters()
        self.expand.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        # ``excite`` on the layers themselves, so that whatever replaces or hooks them is heard.
        return torch.sigmoid(self.expand(F.relu(self.reduce(squeeze(x)))))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return scale(weights, x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        if self.hidden_channels != self.channels // self.reduction:
            parts.append(f"hidden_channels={self.hidden_channels}")
        elif self.reduction != 16:
            parts.append(f"reduction={self.reduction}")
        return ", ".join(parts + ([] if self.bias else ["bias=False"]))


def hidden_width(channels: int, reduction: int = 16, hidden_channels: int | None = None) -> int:
    """Number of hidden units: ``hidden_channels`` if given, else ``channels // reduction``."""
    whole(channels=channels, reduction=reduction)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    if hidden_channels is not None:
        positive(hidden_channels=hidden_channels)
        return hidden_channels
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    if channels < reduction:
        raise ValueError(
            f"reduction={reduction} leaves no hidden unit for channels={channels}: "
            f"choose reduction <= {channels}, or name the width with hidden_channels=4"
        )
    return channels // reduction


def parameter_count(
    channels: int, reduction: int = 16, *, hidden_channels: int | None = None, bias: bool = True
) -> int:
    """Learned parameters: 2 c d for the weights, and d + c for the biases."""
    hidden = hidden_width(channels, reduction, hidden_channels)
    return 2 * channels * hidden + (hidden + channels if bias else 0)


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 16,
    *,
    hidden_channels: int | None = None,
    bias: bool = True,
) -> int:
    """Multiply-adds for one image: 2 c d for the bottleneck, one pass to squeeze, one to scale."""
    del bias  # A bias costs additions that no convention counts.
    hidden = hidden_width(channels, reduction, hidden_channels)
    return 2 * channels * hidden + 2 * channels * height * width


CARD = Card(
    stem="squeeze_excitation",
    title="Squeeze-and-Excitation",
    category="channel",
    module=SqueezeExcitation,
    key="hu2018squeeze",
    authors="Hu, Shen, Sun",
    venue="CVPR",
    year=2018,
    decides="s = σ(W₂ δ(W₁ GAP(x)))",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="2C²/r + C/r + C",
    macs=multiply_adds,
    macs_formula="2C²/r + 2CHW",
    memory="one vector of C",
    growth="C",
)
