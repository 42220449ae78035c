r"""Frequency channel attention, FcaNet (Qin, Zhang, Wu and Li, 2021; key ``qin2021fcanet``).

Equations, numbered as in the chapter ``channel/frequency_channel``:

.. math::
    p^{u}_{i} &= \kappa_u \cos\frac{\pi u (i - 1/2)}{H}, \quad
        \kappa_0 = 1,\ \kappa_{u > 0} = \sqrt 2                                & (2)\\
    z_c &= \frac{1}{HW} \sum_{i,j} x_{c,i,j}\, p^{u_c}_i\, p^{v_c}_j           & (3)\\
    s &= \sigma\bigl(W_2\, \delta(W_1 z)\bigr), \qquad y_{c,i,j} = s_c\, x_{c,i,j} & (4)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features
u, v      k            frequencies down and across, one pair for each of k groups
p         k h, k w     cosine waves of mean square 1
z         b c          the squeeze: one frequency of every channel
W1, W2    d c, c d     reduction to d = c // r hidden units, and expansion
s         b c          gates in (0, 1): the attention g(x)
y         b c h w      gated features f(g(x), x)
========  ===========  ==========================================================

The c channels stand in k groups of equal size, one after the other, and all channels of a group
share its frequency.

Where the authors' released code differs, and the switch that gives their form:

* Its waves are orthonormal, so that z is :math:`\sqrt{HW}` times (3), which makes the gates start
  nearer to 0 and 1 on large maps; the paper's equation has no constants at all.
  ``orthonormal=True``.
* It multiplies the indices of the 7 x 7 grid by ``size // 7``.  Below seven rows that is 0: every
  frequency becomes (0, 0), and the module is SE, without a word.  Here the factor is at least 1
  and an index stops at the finest wave that the map has.  ``collapse=True``.
* It makes the waves for one size and pools maps of another size to it, averaging.  Here they are
  made for the map that comes.  ``size=(height, width)``.
* It stores a plane of (h, w) for every channel, c in all.  Here the k index pairs are all that is
  stored; the k planes are made when they are needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel import squeeze_excitation
from attncourse.channel.frequency_channel.cosines import (
    GRID,
    TOP16,
    checked_frequencies,
    checked_size,
    index,
    planes,
    project,
)
from attncourse.channel.squeeze_excitation import hidden_width, scale


def frequency_channel_reference(
    x: Float[Tensor, "b c h w"],
    frequencies: Sequence[tuple[int, int]],
    w1: Float[Tensor, "d c"],
    b1: Float[Tensor, " d"] | None,
    w2: Float[Tensor, "c d"],
    b2: Float[Tensor, " c"] | None,
    *,
    grid: int = GRID,
    orthonormal: bool = False,
    collapse: bool = False,
) -> Float[Tensor, "b c h w"]:
    """Equations (2) to (4), one image, one channel and one pixel at a time."""
    (batch, channels, height, width), hidden = x.shape, w1.shape[0]
    share = channels // len(frequencies)

    def wave(number: int, size: int, place: int) -> float:
        factor = size // grid if collapse else max(1, size // grid)
        number = number * factor if collapse else min(number * factor, size - 1)
        kappa = 1.0 if number == 0 else math.sqrt(2)
        return kappa * math.cos(math.pi * number * (place + 0.5) / size)  # (2)

    images = []
    for n in range(batch):
        z = []
        for c in range(channels):
            u, v = frequencies[c // share]
            total = x.new_zeros(())
            for i in range(height):
                for j in range(width):
                    total = total + x[n, c, i, j] * wave(u, height, i) * wave(v, width, j)
            norm = math.sqrt(height * width) if orthonormal else height * width
            z.append(total / norm)  # (3)
        units = []
        for a in range(hidden):
            pre = x.new_zeros(()) if b1 is None else b1[a]
            for c in range(channels):
                pre = pre + w1[a, c] * z[c]
            units.append(pre.clamp(min=0))
        gated = []
        for c in range(channels):
            logit = x.new_zeros(()) if b2 is None else b2[c]
            for a in range(hidden):
                logit = logit + w2[c, a] * units[a]
            gated.append(x[n, c] / (1 + torch.exp(-logit)))  # (4)
        images.append(torch.stack(gated))
    return torch.stack(images)


class FrequencyChannel(Attention):
    r"""Gate every channel by a function of one cosine frequency of each channel.

    .. math:: y = s \odot x, \qquad s = \sigma(W_2\,\delta(W_1\,z)), \qquad
        z_c = \tfrac{1}{HW} \langle x_c, p^{u_c} \otimes p^{v_c} \rangle

    Source: Qin, Zhang, Wu and Li, *FcaNet: Frequency Channel Attention Networks*, ICCV 2021,
    arXiv 2012.11879.  In a residual block it stands where SE stands.  On a GPU
    ``torch.use_deterministic_algorithms(True)`` refuses the backward pass of the adaptive pooling
    to ``size``.

    Args:
        channels: number of channels c of the input, a multiple of the number of frequencies.
        reduction: divisor r of the hidden width, ``c // r``.
        frequencies: pairs (u, v), down and across, one for each group of channels.
        hidden_channels: hidden width, in place of ``c // r``.
        bias: whether both linear layers have biases; the authors have none.
        grid: rows and columns of the map on which u and v are counted.
        size: make the waves for maps of this height and width, and average others to it first.
        orthonormal: waves of length 1, as the authors have it, in place of mean square 1.
        collapse: scale the indices by ``size // grid`` even if that is 0, as the authors do.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if the channels cannot be divided among the frequencies, if a frequency is not
            in the grid, if no hidden unit would be left, or if ``x`` does not fit.

    Examples:
        >>> block = FrequencyChannel(64)
        >>> y, gates = block(torch.randn(2, 64, 14, 14), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 14, 14]), torch.Size([2, 64]))
    """

    pairs: Tensor

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        frequencies: Sequence[tuple[int, int]] = TOP16,
        hidden_channels: int | None = None,
        bias: bool = False,
        grid: int = GRID,
        size: tuple[int, int] | None = None,
        orthonormal: bool = False,
        collapse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.reduction, self.bias = channels, reduction, bias
        self.hidden_channels = hidden_width(channels, reduction, hidden_channels)
        self.frequencies = checked_frequencies(frequencies, channels, grid)
        self.grid, self.size = grid, checked_size(size)
        self.orthonormal, self.collapse = orthonormal, collapse
        self.register_buffer("pairs", torch.tensor(self.frequencies, device=device).T, False)
        factory = {"device": device, "dtype": dtype}
        self.reduce = nn.Linear(channels, self.hidden_channels, bias=bias, **factory)
        self.expand = nn.Linear(self.hidden_channels, channels, bias=bias, **factory)

    def reset_parameters(self) -> None:
        """Draw both layers anew from PyTorch's default."""
        self.reduce.reset_parameters()
        self.expand.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def planes(self, x: Tensor) -> Tensor:
        """The filters of the groups for the map ``x``, (k, h, w)."""
        height, width = x.shape[2:]
        u, v = (
            index(numbers, size, self.grid, collapse=self.collapse)
            for numbers, size in zip(self.pairs, (height, width), strict=True)
        )
        made = planes(u, v, height, width, x)
        return made * (height * width) ** 0.5 if self.orthonormal else made

    def squeeze(self, x: Tensor) -> Tensor:
        """One number for every channel, (b, c)."""
        x = x if self.size is None else F.adaptive_avg_pool2d(x, self.size)
        return project(x, self.planes(x))

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        return torch.sigmoid(self.expand(F.relu(self.reduce(self.squeeze(x)))))

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
        others = {
            "frequencies": (self.frequencies, TOP16), "bias": (self.bias, False),
            "grid": (self.grid, GRID), "size": (self.size, None),
            "orthonormal": (self.orthonormal, False), "collapse": (self.collapse, False),
        }  # fmt: skip
        parts += [f"{name}={value}" for name, (value, usual) in others.items() if value != usual]
        return ", ".join(parts)


def parameter_count(
    channels: int,
    reduction: int = 16,
    *,
    hidden_channels: int | None = None,
    bias: bool = False,
    **waves: object,
) -> int:
    """Learned parameters, those of SE: 2 c d, and d + c with biases.  No wave is learned."""
    del waves
    return squeeze_excitation.parameter_count(
        channels, reduction, hidden_channels=hidden_channels, bias=bias
    )


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 16,
    *,
    frequencies: Sequence[tuple[int, int]] = TOP16,
    hidden_channels: int | None = None,
    **others: object,
) -> int:
    """Multiply-adds for one image: SE's, and those that make the planes of k frequencies."""
    del others
    of_se = squeeze_excitation.multiply_adds(
        height, width, channels, reduction, hidden_channels=hidden_channels
    )
    return of_se + len(frequencies) * (height * width + height + width)


CARD = Card(
    stem="frequency_channel",
    title="FcaNet",
    category="channel",
    module=FrequencyChannel,
    key="qin2021fcanet",
    authors="Qin, Zhang, Wu, Li",
    venue="ICCV",
    year=2021,
    decides="s = σ(W₂ δ(W₁ DCT(x)))",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="2C²/r",
    macs=multiply_adds,
    macs_formula="2C²/r + 2CHW + K(HW + H + W)",
    memory="K planes of H × W",
    growth="N",
)
