r"""scSE, concurrent spatial and channel squeeze and excitation (Roy et al., 2018; ``roy2018scse``).

Equations, numbered as in the chapter ``channel_spatial/convolutional_block_attention``:

.. math::
    a &= \sigma\bigl(W_2\, \delta(W_1\, \mathrm{mean}_i\, x_i + b_1) + b_2\bigr)        & (9)\\
    m_i &= \sigma(w_3^\top x_i + b_3)                                                   & (10)\\
    y_{c,i} &= a_c\, x_{c,i} + m_i\, x_{c,i}                                            & (11)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; position i of n is one column of them
W1, W2    d c, c d     SE's two layers, d = c // 2, with biases
a         b c          a gate for each channel: cSE
w3, b3    c, 1         one 1x1 convolution to one map
m         b h w        a gate for each position: sSE; (a, m) is the attention g(x)
========  ===========  ==========================================================

The conference paper adds the two gated maps; the authors' code takes the larger of them, value by
value.  ``combine="sum"`` is the default, ``combine="max"`` is the code.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import hidden_width, squeeze

COMBINATIONS = ("sum", "max")


class ConcurrentSqueezeExcitation(Attention):
    r"""Gate channels by all channel means, and every position by its own column; add both.

    .. math:: y_{c,i} = (a_c + m_i)\, x_{c,i}

    Source: Roy, Navab and Wachinger, *Concurrent Spatial and Channel Squeeze and Excitation in
    Fully Convolutional Networks*, MICCAI 2018, arXiv 1803.02579.
    It stands behind each block of the encoder and the decoder of a segmentation network.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the hidden width, ``c // r``.
        combine: ``"sum"`` of the two gated maps, or ``"max"``, the larger value of them.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, c, h, w)`
        - weights: a :math:`(b, c)` and m :math:`(b, h, w)`, each in (0, 1)

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = ConcurrentSqueezeExcitation(64)
        >>> y, (a, m) = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, a.shape, m.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 64]), torch.Size([2, 8, 6]))
        >>> sum(p.numel() for p in block.parameters())
        4257
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        combine: str = "sum",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        _checked(combine)
        self.channels, self.reduction, self.hidden_channels = channels, reduction, hidden
        self.combine = combine
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Linear(channels, hidden, **factory)
        self.expand = nn.Linear(hidden, channels, **factory)
        self.score = nn.Conv2d(channels, 1, 1, **factory)

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's defaults."""
        for layer in (self.reduce, self.expand, self.score):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equations (9) and (10): a, (b, c), and m, (b, h, w)."""
        a = torch.sigmoid(self.expand(F.relu(self.reduce(squeeze(x)))))
        return a.to(x.dtype), torch.sigmoid(self.score(x))[:, 0].to(x.dtype)

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """Equation (11), (b, c, h, w)."""
        a, m = weights
        if self.combine == "max":
            return torch.maximum(x * a[:, :, None, None], x * m[:, None])
        return x * (a[:, :, None, None] + m[:, None])

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"reduction": 2, "combine": "sum"}
        own = {name: getattr(self, name) for name in usual}
        named = [f"{name}={own[name]}" for name in usual if own[name] != usual[name]]
        return ", ".join([str(self.channels), *named])


def _checked(combine: str) -> None:
    if combine not in COMBINATIONS:
        raise ValueError(f"combine={combine!r} is unknown: choose one of {', '.join(COMBINATIONS)}")


def concurrent_squeeze_excitation_reference(
    x: Float[Tensor, "b c h w"],
    layers: tuple[Tensor, Tensor, Tensor, Tensor],
    score: tuple[Tensor, Tensor],
    combine: str = "sum",
) -> Float[Tensor, "b c h w"]:
    """Equations (9) to (11), one image and one position at a time.

    ``layers`` holds W1, b1, W2, b2; ``score`` the weights and the bias of the 1x1 convolution.
    """
    w1, b1, w2, b2 = layers
    images = []
    for image in x:
        z = torch.stack([channel.sum() / channel.numel() for channel in image])
        a = 1 / (1 + torch.exp(-(w2 @ (w1 @ z + b1).clamp(min=0) + b2)))  # (9)
        columns = []
        for column in image.flatten(1).unbind(dim=1):
            m = 1 / (1 + torch.exp(-(score[0].flatten() @ column + score[1][0])))  # (10)
            both = a * column, m * column
            columns.append(both[0] + both[1] if combine == "sum" else torch.maximum(*both))
        images.append(torch.stack(columns, dim=1).view_as(image))  # (11)
    return torch.stack(images)


def concurrent_parameters(channels: int, reduction: int = 2, *, combine: str = "sum") -> int:
    """Learned parameters: 2 c d + d + c of the layers, c + 1 of the scores."""
    d = hidden_width(channels, reduction)
    _checked(combine)
    return 2 * channels * d + d + 2 * channels + 1


def concurrent_multiply_adds(
    height: int, width: int, channels: int, reduction: int = 2, *, combine: str = "sum"
) -> int:
    """Multiply-adds for one image: the layers, a mean, the scores, one gated map or two."""
    d, n = hidden_width(channels, reduction), height * width
    _checked(combine)
    return 2 * channels * d + (3 if combine == "sum" else 4) * channels * n


CARD = Card(
    stem="concurrent_squeeze_excitation",
    within="convolutional_block_attention",
    title="scSE",
    category="channel_spatial",
    module=ConcurrentSqueezeExcitation,
    key="roy2018scse",
    authors="Roy, Navab, Wachinger",
    venue="MICCAI",
    year=2018,
    decides="a = σ(W₂ δ(W₁ mean x)), m = σ(w₃ᵀ xᵢ)",
    applies="y = a x + m x",
    weights="b c, b h w",
    parameters=concurrent_parameters,
    parameters_formula="2C²/r + C/r + 2C + 1",
    macs=concurrent_multiply_adds,
    macs_formula="2C²/r + 3CN",
    memory="one gate for each value",
    growth="CN",
)
