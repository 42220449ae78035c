r"""GLTR, global-local temporal representations (Li et al., 2019; key ``li2019gltr``).

Equations, numbered as in the chapter ``temporal/global_local_temporal``:

.. math::
    p^{(r)}_t &= \sum_{l \in \{-1, 0, 1\}} W^{(r)}_l\, x_{t + r l}             & (1)\\
    u_t &= [\,x_t,\ p^{(r_1)}_t,\ \dots,\ p^{(r_k)}_t\,]                       & (2)\\
    q_i &= W_q u_i + b_q, \quad k_j = W_k u_j + b_k, \quad v_j = W_v u_j + b_v  & (3)\\
    A_{ij} &= \mathrm{softmax}_j\bigl(q_i^\top k_j / \tau\bigr)                 & (4)\\
    y_i &= u_i + \mathrm{BN}\Bigl(W_o \sum_j A_{ij} v_j + b_o\Bigr)             & (5)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b t c        one vector for each frame
W^(r)     k c c 3      dilated taps, see ``pyramid.py``
u         b t d        frames with their neighbourhoods, d = (k + 1) c
q, k, v   b t e        queries, keys, values, e = d // reduction
A         b t t        the attention g(x), see ``attention.py``
y         b t d        the frames f(g(x), x); their mean over t is the clip's vector
========  ===========  ==========================================================

The default follows the authors' code: rates 1, 2, 3 beside the frame itself, no bias in the
pyramid, scores that are not divided by the square root of e, and a normalisation whose scale and
shift start at zero.  The paper is retold elsewhere with rates 1, 2, 4 and without the frame
itself: ``rates=(1, 2, 4), keep_input=False``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.attention import Attention, Card
from attncourse.layers import check_statistics
from attncourse.temporal.global_local_temporal.attention import (
    TemporalSelfAttention,
    inner_width,
    self_attention_reference,
    validate_frames,
)
from attncourse.temporal.global_local_temporal.attention import described as attention_described
from attncourse.temporal.global_local_temporal.pyramid import (
    DilatedTemporalPyramid,
    pyramid_reference,
    pyramid_width,
)
from attncourse.temporal.global_local_temporal.pyramid import described as pyramid_described


class GlobalLocalTemporal(Attention):
    r"""A pyramid of dilated convolutions over time, then self-attention between all frames.

    .. math:: y = u + \mathrm{BN}(W_o\, A\, v + b_o), \qquad
        A = \mathrm{softmax}(q k^\top), \qquad u = \mathrm{DTP}(x)

    Source: Li, Wang, Tian, Gao and Zhang, *Global-Local Temporal Representations for Video
    Person Re-Identification*, ICCV 2019, arXiv 1908.10049.
    It stands behind a network that makes one vector of each frame; the mean of ``y`` over the
    frames is the vector of the clip.

    All clips of a batch have one length, and there is no mask: frames that pad a clip are read as
    frames.  Put clips of equal length into a batch, or cut and resample them to one.

    The fused kernel has no second derivative: for gradient penalties and Hessians call the block
    with ``need_weights=True``, which also has the forward-mode derivatives.

    Args:
        channels: number of channels c of a frame.
        rates: dilation rates of the pyramid.
        reduction: divisor of the width of queries, keys and values, ``d // reduction``.
        keep_input: put the frame itself in front of the pyramid's branches.
        temperature: what the scores are divided by.
        bias: whether the attention's linear layers have biases.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, t, c)`, any number of frames
        - y: :math:`(b, t, d)`, d = c (number of rates + 1)
        - weights: :math:`(b, t, t)`, rows sum to 1

    Raises:
        ValueError: if the rates or the widths are impossible, or if ``x`` does not fit.

    Examples:
        >>> block = GlobalLocalTemporal(8)
        >>> y, weights = block(torch.randn(2, 16, 8), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 16, 32]), torch.Size([2, 16, 16]))
    """

    def __init__(
        self,
        channels: int,
        rates: Sequence[int] = (1, 2, 3),
        reduction: int = 2,
        *,
        keep_input: bool = True,
        temperature: float = 1.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.pyramid = DilatedTemporalPyramid(
            channels, rates, keep_input=keep_input, device=device, dtype=dtype
        )
        self.out_channels = self.pyramid.out_channels
        self.attention = TemporalSelfAttention(
            self.out_channels,
            reduction,
            temperature=temperature,
            bias=bias,
            device=device,
            dtype=dtype,
        )

    def reset_parameters(self) -> None:
        """Draw both halves anew; the attention then adds nothing yet."""
        self.pyramid.reset_parameters()
        self.attention.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, t, channels)."""
        validate_frames(x, self.channels)
        norm = getattr(self.attention, "norm", None)
        check_statistics(norm, "attention.norm", x.shape[0] * x.shape[1], x)

    def g(self, x: Tensor) -> Tensor:
        """The weights A of the pyramid's frames, (b, t, t)."""
        return self.attention.g(self.pyramid(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The frames with their neighbourhoods and what they took, (b, t, out_channels)."""
        return self.attention.f(weights, self.pyramid(x))

    def attend(self, x: Tensor) -> Tensor:
        """The same with one pass through the pyramid and without the t x t weights."""
        return self.attention(self.pyramid(x))

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        p, a = self.pyramid, self.attention
        parts = pyramid_described(p.channels, p.rates, p.keep_input)
        return ", ".join(parts + attention_described(a.reduction, a.temperature, a.bias))


def global_local_temporal_reference(
    x: Float[Tensor, "b t c"], pyramid: DilatedTemporalPyramid, attention: TemporalSelfAttention
) -> Float[Tensor, "b t d"]:
    """Equations (1) to (5) by loops, with the numbers that the two halves hold."""
    a = attention
    return self_attention_reference(
        pyramid_reference(x, pyramid.weight, pyramid.rates, pyramid.keep_input),
        a.query, a.key, a.value, a.output, a.norm, a.temperature,
    )  # fmt: skip


def parameter_count(
    channels: int,
    rates: Sequence[int] = (1, 2, 3),
    reduction: int = 2,
    *,
    keep_input: bool = True,
    temperature: float = 1.0,
    bias: bool = True,
) -> int:
    """Learned parameters: 3 k c^2 for the pyramid, 4 d e + 3 e + d + 2 d for the attention."""
    wide = pyramid_width(channels, rates, keep_input)
    inner = inner_width(wide, reduction)
    taps = 3 * len(rates) * channels**2
    return taps + 4 * wide * inner + (3 * inner + wide if bias else 0) + 2 * wide


def multiply_adds(
    frames: int,
    channels: int,
    rates: Sequence[int] = (1, 2, 3),
    reduction: int = 2,
    *,
    keep_input: bool = True,
    temperature: float = 1.0,
    bias: bool = True,
) -> int:
    """Multiply-adds of one clip: t (3 k c^2 + 4 d e) for the layers, 2 t^2 e for the pairs."""
    wide = pyramid_width(channels, rates, keep_input)
    inner = inner_width(wide, reduction)
    layers = 3 * len(rates) * channels**2 + 4 * wide * inner
    return frames * layers + 2 * frames**2 * inner


CARD = Card(
    stem="global_local_temporal",
    title="GLTR",
    category="temporal",
    module=GlobalLocalTemporal,
    key="li2019gltr",
    authors="Li, Wang, Tian, Gao, Zhang",
    venue="ICCV",
    year=2019,
    decides="A = softmax(q kᵀ), q, k from u = [x, DTP(x)]",
    applies="y = u + BN(W A v)",
    weights="b t t",
    parameters=parameter_count,
    parameters_formula="3KC² + 2D² + 9D/2, D = (K + 1)C",
    macs=multiply_adds,
    macs_formula="T(3KC² + 2D²) + T²D",
    memory="keys and values of all frames; T² weights only when asked for",
    growth="CT",
    drop_in=False,
    input="b t c",
)
