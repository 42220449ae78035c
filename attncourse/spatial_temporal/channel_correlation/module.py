r"""STC, spatio-temporal channel correlation (Diba et al., 2018; key ``diba2018stc``).

Equations, numbered as in the chapter ``spatial_temporal/channel_correlation``:

.. math::
    z_{c,t} &= \frac{1}{HW} \sum_i x_{c,t,i}                                            & (1)\\
    p &= \sigma\bigl(W_2\, \delta(W_1 \bar z)\bigr), \quad
         \bar z_c = \frac1T \sum_t z_{c,t}                                              & (2)\\
    q &= \sigma\bigl(V_2\, \delta(V_1 \mathrm{vec}(z))\bigr)                            & (3)\\
    y &= \tfrac12 (p \odot x + q \odot x) = s \odot x, \quad s = \tfrac12 (p + q)       & (4)

==========  ===========  ================================================================
symbol      shape        meaning
==========  ===========  ================================================================
x           b c t h w    a clip: position i of a frame is one of h w
z           b c t        the profile of every channel over time
z-bar       b c          its mean over time
W_1, W_2    d c, c d     a bottleneck of d = c // r hidden units
p           b c          gates of the branch *without* time, in (0, 1)
vec(z)      b (c t)      the profiles in a row, the frames of the first channel first
V_1, V_2    e (c t), c e a bottleneck of e = c t // r hidden units
q           b c          gates of the branch *with* time, in (0, 1)
s           b c          the mask: one number for each channel, for all frames
y           as x         the clip f(g(x), x)
==========  ===========  ================================================================

What is known of the block here is second-hand: a reader's public note, which agrees with the
paper's opening pages.  No code of the authors was found.

* Mind the names.  The paper's *temporal* correlation branch (``tcb``, p) pools time away, and its
  *spatial* one (``scb``, q) pools space away and keeps time.
* The note writes no biases, and whether the paper's layers have any is not known to us;
  ``bias=True`` adds them to all four.
* Not in the note, and taken over from squeeze-and-excitation: the ReLU, the sigmoid behind both
  branches, and ``reduction=16``.
* How the profiles are put in a row is not said; another order permutes the columns of V_1.
* The layers start by PyTorch's defaults.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_clips
from attncourse.layers import accepted
from attncourse.spatial_temporal.channel_correlation.cost import (
    hidden_widths,
    multiply_adds,
    parameter_count,
)
from attncourse.temporal.temporal_adaptive import profile


def mask(p: Float[Tensor, "b c"], q: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Equation (4): the mean of both branches' gates."""
    return (p + q) / 2


def scale(s: Float[Tensor, "b c"], x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t h w"]:
    """Equation (4): every position of every frame of channel c times the one gate of channel c."""
    return s[:, :, None, None, None].to(x.dtype) * x


def channel_correlation_reference(
    x: Float[Tensor, "b c t h w"],
    w1: Float[Tensor, "d c"],
    w2: Float[Tensor, "c d"],
    v1: Float[Tensor, "e n"],
    v2: Float[Tensor, "c e"],
    biases: tuple[Tensor, Tensor, Tensor, Tensor] | None = None,
) -> Float[Tensor, "b c t h w"]:
    """Equations (1) to (4), one clip, one unit and one channel at a time.

    ``biases`` belong to w1, w2, v1 and v2, in this order.
    """
    channels, frames = x.shape[1:3]
    shifts = biases or tuple(x.new_zeros(len(w)) for w in (w1, w2, v1, v2))
    clips = []
    for clip in x:
        z = [[frame.sum() / frame.numel() for frame in channel] for channel in clip]  # (1)
        mean = [sum(row) / frames for row in z]
        row = [z[c][t] for c in range(channels) for t in range(frames)]
        gates = []
        for numbers, first, second, b1, b2 in (
            (mean, w1, w2, shifts[0], shifts[1]),  # (2)
            (row, v1, v2, shifts[2], shifts[3]),  # (3)
        ):
            units = []
            for weights, shift in zip(first, b1, strict=True):
                total = shift
                for weight, number in zip(weights, numbers, strict=True):
                    total = total + weight * number
                units.append(total.clamp(min=0))
            own = []
            for weights, shift in zip(second, b2, strict=True):
                total = shift
                for weight, unit in zip(weights, units, strict=True):
                    total = total + weight * unit
                own.append(1 / (1 + torch.exp(-total)))
            gates.append(own)
        both = [(gates[0][c] * clip[c] + gates[1][c] * clip[c]) / 2 for c in range(channels)]  # (4)
        clips.append(torch.stack(both))
    return torch.stack(clips)


class Excitation(nn.Module):
    """Two layers with a ReLU between them and a sigmoid behind: equation (2) or (3).

    Args:
        inputs: numbers that come in.
        hidden: units between the layers.
        outputs: gates that come out.
        bias: whether both layers have biases.
        factory: device and dtype.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, *, bias: bool = False, **factory: Any
    ) -> None:
        super().__init__()
        self.reduce = nn.Linear(inputs, hidden, bias=bias, **factory)
        self.expand = nn.Linear(hidden, outputs, bias=bias, **factory)

    def reset_parameters(self) -> None:
        """Draw both layers anew, by PyTorch's defaults."""
        self.reduce.reset_parameters()
        self.expand.reset_parameters()

    def forward(self, z: Float[Tensor, "b n"]) -> Float[Tensor, "b c"]:
        """The gates, each in (0, 1)."""
        return torch.sigmoid(self.expand(F.relu(self.reduce(accepted(self.reduce, z)))))


class ChannelCorrelation(Attention):
    r"""Gate every channel of a clip, by the mean of a squeeze without time and of one with it.

    .. math:: y = \tfrac12 (p + q) \odot x, \qquad p = \sigma(W_2\,\delta(W_1 \bar z)),
        \quad q = \sigma(V_2\,\delta(V_1 \mathrm{vec}(z)))

    Source: Diba, Fayyaz, Sharma, Arzani, Yousefzadeh, Gall and Van Gool, *Spatio-Temporal Channel
    Correlation Networks for Action Classification*, ECCV 2018, arXiv 1806.07754; read second-hand.
    A network that takes frames as a batch hands it ``features.unflatten(0, (b, t)).movedim(1, 2)``.

    Args:
        channels: number of channels c of the input.
        frames: number of frames t of every clip.
        reduction: divisor r of both hidden widths, ``c // r`` and ``c t // r``.
        bias: whether the four layers have biases.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, t, h, w)`
        - y: :math:`(b, c, t, h, w)`
        - weights: the gates without time and with it, each :math:`(b, c)` and in (0, 1); the mask
          is their mean

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = ChannelCorrelation(64, frames=8)
        >>> y, (p, q) = block(torch.randn(2, 64, 8, 7, 7), need_weights=True)
        >>> y.shape, p.shape, q.shape
        (torch.Size([2, 64, 8, 7, 7]), torch.Size([2, 64]), torch.Size([2, 64]))
        >>> sum(w.numel() for w in block.parameters())
        18944
    """

    def __init__(
        self,
        channels: int,
        frames: int = 8,
        reduction: int = 16,
        *,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        timeless, timed = hidden_widths(channels, frames, reduction)
        self.channels, self.frames, self.reduction = channels, frames, reduction
        self.bias = bias
        factory: Any = {"device": device, "dtype": dtype}
        self.tcb = Excitation(channels, timeless, channels, bias=bias, **factory)
        self.scb = Excitation(channels * frames, timed, channels, bias=bias, **factory)

    def reset_parameters(self) -> None:
        """Draw both branches anew, by PyTorch's defaults; the gates then start near 1/2."""
        self.tcb.reset_parameters()
        self.scb.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, frames, h, w)."""
        why = "the branch that keeps time has a weight for every channel of every frame"
        validate_clips(x, self.channels, self.frames, why)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gates without time, p, and with it, q, each (b, c)."""
        z = profile(x)
        return self.tcb(z.mean(dim=2)), self.scb(z.flatten(1))

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """The gated clip, (b, c, t, h, w)."""
        return scale(mask(*weights), x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"frames": 8, "reduction": 16, "bias": False}
        own = {name: getattr(self, name) for name in usual}
        differs = [f"{name}={value}" for name, value in own.items() if value != usual[name]]
        return ", ".join([str(self.channels), *differs])


CARD = Card(
    stem="channel_correlation",
    title="STC-Net",
    category="spatial_temporal",
    module=ChannelCorrelation,
    key="diba2018stc",
    authors="Diba, Fayyaz, Sharma, Arzani, Yousefzadeh, Gall, Van Gool",
    venue="ECCV",
    year=2018,
    decides="p = σ(W₂ δ(W₁ GAP(x))), q = σ(V₂ δ(V₁ z)), z = GAP(xₜ)",
    applies="y = (p + q) ⊙ x / 2",
    weights="b c, b c",
    parameters=parameter_count,
    parameters_formula="2C²/r + (T² + T)C²/r",
    macs=multiply_adds,
    macs_formula="2C²/r + (T² + T)C²/r + 2CTHW + CT",
    memory="one profile of C × T, two vectors of C",
    growth="CT",
    drop_in=False,
    input="b c t h w",
)
