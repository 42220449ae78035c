r"""BAM, the bottleneck attention module (Park et al., 2018; key ``park2018bam``).

Equations, numbered as in the chapter ``channel_spatial/convolutional_block_attention``:

.. math::
    \eta &= W_2\, \delta\mathrm{BN}(W_1\, \mathrm{mean}_i\, x_i + b_1) + b_2             & (6)\\
    \zeta &= W_6 * \delta\mathrm{BN}(W_5 * \delta\mathrm{BN}(
             W_4 * \delta\mathrm{BN}(W_3 * x)))                                         & (7)\\
    s_{c,i} &= \sigma(\eta_c + \zeta_i), \qquad y_{c,i} = x_{c,i} + s_{c,i}\, x_{c,i}   & (8)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features
W1, W2    d c, c d     bottleneck of d = c // r hidden units, with biases
eta       b c          what speaks for a channel, any real number
W3        d c 1 1      to d channels, with biases in all four
W4, W5    d d 3 3      two convolutions of dilation D, each with a reach of 2 D + 1
W6        1 d 1 1      to one map
zeta      b h w        what speaks for a position
s         b c h w      a gate for each value: the attention g(x)
========  ===========  ==========================================================

Paper, authors' code and default here:

* The paper adds both votes before the sigmoid, the code multiplies them.  ``combine="sum"``, the
  paper, is the default; ``combine="product"`` is the code.
* The paper's equation normalises the votes, the code the hidden units.  Here as in
  the code, with biases everywhere.
* The code pools a square window with the height as its side, and so takes square maps alone; here
  the mean is over all positions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import hidden_width, squeeze
from attncourse.layers import check_statistics, whole

COMBINATIONS = ("sum", "product")


class BottleneckAttention(Attention):
    r"""Open every value by a gate between 1 and 2, from a channel's and a position's vote.

    .. math:: y_{c,i} = \bigl(1 + \sigma(\eta_c + \zeta_i)\bigr)\, x_{c,i}

    Source: Park, Woo, Lee and Kweon, *BAM: Bottleneck Attention Module*, BMVC 2018,
    arXiv 1807.06514.
    It stands between the stages of a network, where the maps shrink.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the hidden width of both branches, ``c // r``.
        dilation: step D between the taps of the two 3x3 convolutions.
        combine: ``"sum"`` of the votes, as in the paper, or ``"product"``, as in the code.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode :math:`b \ge 2`
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c, h, w)`, each in (0, 1)

    Raises:
        ValueError: if an argument is impossible, if ``x`` does not fit, or if it is a batch of
            one in training mode.

    Examples:
        >>> block = BottleneckAttention(64)
        >>> y, gates = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 64, 8, 6]))
        >>> sum(p.numel() for p in block.parameters())
        1173
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        dilation: int = 4,
        combine: str = "sum",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        _checked(dilation, combine)
        self.channels, self.reduction, self.hidden_channels = channels, reduction, hidden
        self.dilation, self.combine = dilation, combine
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.reduce = nn.Linear(channels, hidden, **factory)
        self.norm = nn.BatchNorm1d(hidden, **factory)
        self.expand = nn.Linear(hidden, channels, **factory)
        wide = {"padding": dilation, "dilation": dilation, **factory}
        self.convs = nn.ModuleList([
            nn.Conv2d(channels, hidden, 1, **factory),
            nn.Conv2d(hidden, hidden, 3, **wide),
            nn.Conv2d(hidden, hidden, 3, **wide),
        ])  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm2d(hidden, **factory) for _ in self.convs)
        self.last = nn.Conv2d(hidden, 1, 1, **factory)

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's defaults."""
        for layer in (
            self.reduce, self.norm, self.expand, *self.convs, *self.norms, self.last,
        ):  # fmt: skip
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w), with b > 1 in training."""
        validate_features(x, self.channels)
        check_statistics(self.norm, "norm", x.shape[0], x)

    def votes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equations (6) and (7): eta, (b, c), and zeta, (b, h, w)."""
        eta = self.expand(F.relu(self.norm(self.reduce(squeeze(x)))))
        inside = x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            inside = F.relu(norm(conv(inside)))
        return eta, self.last(inside)[:, 0]

    def g(self, x: Tensor) -> Tensor:
        """A gate for each value, (b, c, h, w)."""
        eta, zeta = self.votes(x)
        eta, zeta = eta[:, :, None, None], zeta[:, None]
        return torch.sigmoid(eta + zeta if self.combine == "sum" else eta * zeta).to(x.dtype)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """``x + weights x``, (b, c, h, w)."""
        return torch.addcmul(x, weights, x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"reduction": 16, "dilation": 4, "combine": "sum"}
        own = {name: getattr(self, name) for name in usual}
        named = [f"{name}={own[name]}" for name in usual if own[name] != usual[name]]
        return ", ".join([str(self.channels), *named])


def _checked(dilation: int, combine: str) -> None:
    whole(dilation=dilation)
    if dilation < 1:
        raise ValueError(f"dilation={dilation} must be at least 1, 4 in the paper")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine={combine!r} is unknown: choose one of {', '.join(COMBINATIONS)}")


def bottleneck_attention_reference(
    x: Float[Tensor, "b c h w"], block: BottleneckAttention
) -> Float[Tensor, "b c h w"]:
    """Equations (6) to (8) in eval mode: one image, one position and one tap at a time."""

    def normal(norm: Any, vector: Tensor) -> Tensor:
        unit = (vector - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
        return (norm.weight * unit + norm.bias).clamp(min=0)

    def taps(conv: Any, columns: dict[tuple[int, int], Tensor]) -> dict:
        reach, found = conv.dilation[0], {}
        sides = range(conv.kernel_size[0])
        for row, column in columns:
            total = conv.bias
            for p in sides:
                for q in sides:
                    middle = len(sides) // 2
                    at = (row + (p - middle) * reach, column + (q - middle) * reach)
                    if at in columns:
                        total = total + conv.weight[:, :, p, q] @ columns[at]
            found[row, column] = total
        return found

    (height, width), images = x.shape[2:], []
    for image in x:
        z = torch.stack([channel.sum() / (height * width) for channel in image])
        hidden = normal(block.norm, block.reduce.weight @ z + block.reduce.bias)
        eta = block.expand.weight @ hidden + block.expand.bias  # (6)
        columns = {(i, j): image[:, i, j] for i in range(height) for j in range(width)}
        inside = columns
        for conv, norm in zip(block.convs, block.norms, strict=True):
            inside = {at: normal(norm, z) for at, z in taps(conv, inside).items()}
        zeta = taps(block.last, inside)  # (7)
        gated = []
        for at, column in columns.items():
            logits = eta + zeta[at] if block.combine == "sum" else eta * zeta[at]
            gated.append(column * (1 + 1 / (1 + torch.exp(-logits))))  # (8)
        images.append(torch.stack(gated, dim=1).view_as(image))
    return torch.stack(images)


def bottleneck_parameters(
    channels: int, reduction: int = 16, *, dilation: int = 4, combine: str = "sum"
) -> int:
    """Learned parameters: 2 c d + 3 d + c for the channels, c d + 18 d^2 + 10 d + 1 for places."""
    d = hidden_width(channels, reduction)
    _checked(dilation, combine)
    return 3 * channels * d + channels + 18 * d**2 + 13 * d + 1


def bottleneck_multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 16,
    *,
    dilation: int = 4,
    combine: str = "sum",
) -> int:
    """Multiply-adds for one image: both branches, the mean and the gate; norms count nothing."""
    d, n = hidden_width(channels, reduction), height * width
    _checked(dilation, combine)
    places = (channels * d + 18 * d**2 + d) * n
    product = channels * n if combine == "product" else 0
    return 2 * channels * d + places + product + 2 * channels * n


CARD = Card(
    stem="bottleneck_attention",
    within="convolutional_block_attention",
    title="BAM",
    category="channel_spatial",
    module=BottleneckAttention,
    key="park2018bam",
    authors="Park, Woo, Lee, Kweon",
    venue="BMVC",
    year=2018,
    decides="s = σ(η(x) + ζ(x))",
    applies="y = x + s ⊙ x",
    weights="b c h w",
    parameters=bottleneck_parameters,
    parameters_formula="3C²/r + C + 18C²/r² + 13C/r + 1",
    macs=bottleneck_multiply_adds,
    macs_formula="2C²/r + (C²/r + 18C²/r² + C/r + 2C)N",
    memory="one gate for each value",
    growth="CN",
)
