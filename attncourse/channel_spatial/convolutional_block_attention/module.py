r"""CBAM, the convolutional block attention module (Woo et al., 2018; key ``woo2018cbam``).

Equations, numbered as in the chapter ``channel_spatial/convolutional_block_attention``:

.. math::
    \varphi(z) &= W_2\, \delta(W_1 z + b_1) + b_2                                       & (1)\\
    a &= \sigma\bigl(\varphi(\mathrm{mean}_i\, x_i) + \varphi(\mathrm{max}_i\, x_i)\bigr) & (2)\\
    x'_{c,i} &= a_c\, x_{c,i}                                                           & (3)\\
    z &= [\mathrm{max}_c\, x'_c ; \mathrm{mean}_c\, x'_c], \qquad
    m = \sigma\bigl(\mathrm{BN}(W_3 * z)\bigr)                                           & (4)\\
    y_{c,i} &= m_i\, x'_{c,i} = a_c\, m_i\, x_{c,i}                                     & (5)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; position i of n is one column of them
W1, b1    d c, d       to d = c // r hidden units
W2, b2    c d, c       and back; both layers serve both statistics
a         b c          a gate for each channel
x'        b c h w      the gated features, from which the second gate is made
W3        1 2 k k      one convolution of the two maps, largest and mean channel, in this order
m         b h w        a gate for each position; (a, m) is the attention g(x)
y         b c h w      output f(g(x), x)
========  ===========  ==========================================================

Paper, authors' code and default here:

* The code normalises the one map that W3 gives, the paper's equation does not.  ``norm=True``, the
  code, is the default; its running statistics move by 0.01 a step in the code, here by PyTorch's
  0.1.
* The code's networks start that scale at zero, so that every m is 1/2 at first.
  ``zero_scale=True`` does so; the default is a scale of one.
* The code stacks the largest before the mean, the paper's equation writes the mean first.
* Where several positions, or channels, share the largest value, one of them gets its whole
  gradient, as in the code; ``amax`` would share it among them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import hidden_width, scale, squeeze
from attncourse.layers import check_statistics, whole

#: Which gate is judged from the other's output: the positions', the channels', neither.
ORDERS = ("channels first", "positions first", "parallel")
STATISTICS = ("both", "mean", "max")


def largest(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """The largest value of each channel."""
    return x.flatten(2).max(dim=2).values


def largest_and_mean(x: Float[Tensor, "b c h w"], axis: int) -> Float[Tensor, "b 2 p q"]:
    """Largest value and mean along one axis of the features, as two maps over the two others."""
    return torch.stack([x.max(dim=axis).values, x.mean(dim=axis)], dim=1)


def look_across(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 h w"]:
    """The largest and the mean channel of each position, what (4) convolves."""
    return largest_and_mean(x, 1)


def spread(m: Float[Tensor, "b h w"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Every channel of position i times the one gate of position i."""
    return m[:, None] * x


class ConvolutionalBlockAttention(Attention):
    r"""Gate channels by their means and largest values, then positions by those of channels.

    .. math:: y_{c,i} = a_c\, m_i\, x_{c,i}

    The channel gates a are made from x, the position gates m from a x.

    Source: Woo, Park, Lee and Kweon, *CBAM: Convolutional Block Attention Module*, ECCV 2018,
    arXiv 1807.06521.
    In a residual block it stands after the last normalisation and before the addition.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the hidden width, ``c // r``.
        kernel_size: side k of the one convolution, odd.
        statistics: ``"both"``, equation (2), or ``"mean"`` or ``"max"`` alone for the channels.
        order: ``"channels first"``, as in the paper, ``"positions first"`` or ``"parallel"``,
            where both gates are made from x.
        norm: whether the convolution's map is normalised, as in the authors' code.
        zero_scale: whether that normalisation starts with a scale of zero, and every m at 1/2.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions; in training mode with ``norm`` more
          than one position in all
        - y: :math:`(b, c, h, w)`
        - weights: a :math:`(b, c)` and m :math:`(b, h, w)`, each in (0, 1)

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = ConvolutionalBlockAttention(64)
        >>> y, (a, m) = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, a.shape, m.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 64]), torch.Size([2, 8, 6]))
        >>> sum(p.numel() for p in block.parameters())
        680
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        kernel_size: int = 7,
        statistics: str = "both",
        order: str = "channels first",
        norm: bool = True,
        zero_scale: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        _checked(kernel_size, statistics, order, norm, zero_scale)
        self.channels, self.reduction, self.hidden_channels = channels, reduction, hidden
        self.kernel_size, self.statistics, self.order = kernel_size, statistics, order
        self.zero_scale = zero_scale
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Linear(channels, hidden, **factory)
        self.expand = nn.Linear(hidden, channels, **factory)
        pad = kernel_size // 2
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=pad, bias=False, **factory)
        self.norm = nn.BatchNorm2d(1, **factory) if norm else None
        self._shut()

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's defaults."""
        for layer in (self.reduce, self.expand, self.conv, self.norm):
            if layer is not None:
                layer.reset_parameters()
        self._shut()

    def _shut(self) -> None:
        if self.norm is not None and self.zero_scale:
            nn.init.zeros_(self.norm.weight)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)
        check_statistics(self.norm, "norm", x.shape[0] * x.shape[2] * x.shape[3], x)

    def judge_channels(self, x: Tensor) -> Tensor:
        """Equations (1) and (2): a, (b, c); the layers see both statistics as one batch."""
        given = {
            "both": lambda: torch.cat([squeeze(x), largest(x)]),
            "mean": lambda: squeeze(x),
            "max": lambda: largest(x),
        }[self.statistics]()
        logits = self.expand(F.relu(self.reduce(given)))
        if self.statistics == "both":
            of_means, of_largest = logits.chunk(2)
            logits = of_means + of_largest
        return torch.sigmoid(logits).to(x.dtype)

    def judge_positions(self, x: Tensor) -> Tensor:
        """Equation (4): m, (b, h, w)."""
        logits = self.conv(look_across(x))
        if self.norm is not None:
            logits = self.norm(logits)
        return torch.sigmoid(logits)[:, 0].to(x.dtype)

    def _in_turn(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both gates, and x times the first of them."""
        if self.order == "positions first":
            m = self.judge_positions(x)
            gated = spread(m, x)
            return self.judge_channels(gated), m, gated
        a = self.judge_channels(x)
        gated = scale(a, x)
        m = self.judge_positions(gated if self.order == "channels first" else x)
        return a, m, gated

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gates of channels, (b, c), and of positions, (b, h, w)."""
        a, m, _ = self._in_turn(x)
        return a, m

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """Equation (5)."""
        a, m = weights
        return spread(m, scale(a, x))

    def attend(self, x: Tensor) -> Tensor:
        """The same, with x gated once by the first gate."""
        a, m, gated = self._in_turn(x)
        return scale(a, gated) if self.order == "positions first" else spread(m, gated)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {
            "reduction": 16, "kernel_size": 7, "statistics": "both", "order": "channels first",
        }  # fmt: skip
        own = {name: getattr(self, name) for name in usual}
        parts = [f"{name}={own[name]}" for name in usual if own[name] != usual[name]]
        parts += [] if self.norm is not None else ["norm=False"]
        return ", ".join([str(self.channels), *parts, *["zero_scale=True"] * self.zero_scale])


def _checked(
    kernel_size: int, statistics: str, order: str, norm: bool, zero_scale: bool
) -> None:  # fmt: skip
    whole(kernel_size=kernel_size)
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size={kernel_size} would move or resize the map: choose an odd number, "
            f"7 in the paper"
        )
    for name, value, known in (("statistics", statistics, STATISTICS), ("order", order, ORDERS)):
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(known)}")
    if zero_scale and not norm:
        raise ValueError("zero_scale=True needs a normalisation to shut: pass norm=True")


def convolutional_block_attention_reference(
    x: Float[Tensor, "b c h w"],
    layers: tuple[Tensor, Tensor, Tensor, Tensor],
    kernel: Float[Tensor, "1 2 k k"],
    affine: tuple[Tensor, Tensor] | None = None,
    *,
    statistics: str = "both",
    order: str = "channels first",
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (5) in eval mode: one image, one channel, one position at a time.

    ``layers`` holds W1, b1, W2, b2; ``affine`` the scale and shift of the normalised map.
    """
    w1, b1, w2, b2 = layers
    k, reach = kernel.shape[-1], kernel.shape[-1] // 2
    (height, width), (grow, shift) = x.shape[2:], affine or (x.new_ones(1), x.new_zeros(1))

    def gates_of_channels(image: Tensor) -> list[Tensor]:
        logits = []
        for name in ("mean", "max"):
            if statistics in ("both", name):
                z = torch.stack([getattr(channel, name)() for channel in image])
                logits.append(w2 @ (w1 @ z + b1).clamp(min=0) + b2)  # (1)
        return list(1 / (1 + torch.exp(-torch.stack(logits).sum(dim=0))))  # (2)

    def gates_of_positions(image: Tensor) -> Tensor:
        maps = torch.stack([
            torch.stack([column.max(), column.mean()]) for column in image.flatten(1).unbind(1)
        ])  # fmt: skip
        maps = F.pad(maps.T.reshape(2, height, width), [reach] * 4)
        found = []
        for row in range(height):
            for column in range(width):
                window = maps[:, row : row + k, column : column + k]
                logit = grow[0] * (kernel[0] * window).sum() + shift[0]
                found.append(1 / (1 + torch.exp(-logit)))  # (4)
        return torch.stack(found).view(height, width)

    images = []
    for image in x:
        if order == "positions first":
            image = gates_of_positions(image) * image
            a = gates_of_channels(image)
            images.append(torch.stack([a[c] * image[c] for c in range(len(a))]))
            continue
        a = gates_of_channels(image)
        gated = torch.stack([a[c] * image[c] for c in range(len(a))])  # (3)
        m = gates_of_positions(gated if order == "channels first" else image)
        images.append(m * gated)  # (5)
    return torch.stack(images)


def parameter_count(
    channels: int,
    reduction: int = 16,
    *,
    kernel_size: int = 7,
    statistics: str = "both",
    order: str = "channels first",
    norm: bool = True,
    zero_scale: bool = False,
) -> int:
    """Learned parameters: 2 c d + d + c of the layers, 2 k^2 of the kernel, 2 of its norm."""
    d = hidden_width(channels, reduction)
    _checked(kernel_size, statistics, order, norm, zero_scale)
    return 2 * channels * d + d + channels + 2 * kernel_size**2 + (2 if norm else 0)


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 16,
    *,
    kernel_size: int = 7,
    statistics: str = "both",
    order: str = "channels first",
    norm: bool = True,
    zero_scale: bool = False,
) -> int:
    """Multiply-adds for one image: layers and a pass for each statistic, two gates, the kernel.

    A comparison counts like an addition; the normalised map counts nothing.
    """
    d, n = hidden_width(channels, reduction), height * width
    _checked(kernel_size, statistics, order, norm, zero_scale)
    looks = 2 if statistics == "both" else 1
    return looks * 2 * channels * d + ((looks + 4) * channels + 2 * kernel_size**2) * n


CARD = Card(
    stem="convolutional_block_attention",
    title="CBAM",
    category="channel_spatial",
    module=ConvolutionalBlockAttention,
    key="woo2018cbam",
    authors="Woo, Park, Lee, Kweon",
    venue="ECCV",
    year=2018,
    decides="a = σ(φ(mean x) + φ(max x)), m = σ(W₃ ∗ [max ax; mean ax])",
    applies="y = a m x",
    weights="b c, b h w",
    parameters=parameter_count,
    parameters_formula="2C²/r + C/r + C + 2k² + 2",
    macs=multiply_adds,
    macs_formula="4C²/r + (6C + 2k²)N",
    memory="x gated once, one map of N",
    growth="CN",
)
