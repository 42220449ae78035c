r"""The global half of GLTR: temporal self-attention, equations (3) to (5) of the chapter.

.. math::
    q_i &= W_q u_i + b_q, \quad k_j = W_k u_j + b_k, \quad v_j = W_v u_j + b_v  & (3)\\
    A_{ij} &= \mathrm{softmax}_j\bigl(q_i^\top k_j / \tau\bigr)                 & (4)\\
    y_i &= u_i + \mathrm{BN}\Bigl(W_o \sum_j A_{ij} v_j + b_o\Bigr)             & (5)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
u         b t d        frames
q, k, v   b t e        queries, keys and values, e = d // r
A         b t t        row i: how much frame i takes from every frame; sums to 1
y         b t d        frames that know the clip
========  ===========  ==========================================================

The temperature is 1: the authors do not divide by the square root of e.  The scale and the shift
of the normalisation start at zero, so that the block starts as the identity.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.layers import check_statistics, whole
from attncourse.precision import attention_map
from attncourse.transforms import fused_attention


def temporal_weights(
    q: Float[Tensor, "b t e"], k: Float[Tensor, "b t e"], temperature: float = 1.0
) -> Float[Tensor, "b t t"]:
    """Equation (4): the softmax runs over the keys, so that every row sums to 1.

    In float32 at least, also under autocast: logits that are not scaled down can exceed what
    float16 holds.
    """
    return attention_map(q, k, 1 / temperature)


def attend(
    q: Float[Tensor, "b t e"],
    k: Float[Tensor, "b t e"],
    v: Float[Tensor, "b t e"],
    temperature: float = 1.0,
) -> Float[Tensor, "b t e"]:
    """``temporal_weights(q, k, temperature) @ v`` without holding the t x t weights."""
    return fused_attention(q, k, v, 1 / temperature, who="GLTR")


def self_attention_reference(
    u: Float[Tensor, "b t d"],
    query: nn.Linear,
    key: nn.Linear,
    value: nn.Linear,
    output: nn.Linear,
    norm: nn.BatchNorm1d,
    temperature: float = 1.0,
) -> Float[Tensor, "b t d"]:
    """Equations (3) to (5), one pair of frames at a time; the normalisation as in eval mode."""

    def through(layer: nn.Linear, vector: Tensor) -> Tensor:
        result = layer.weight @ vector
        return result if layer.bias is None else result + layer.bias

    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    clips = []
    for clip in u:
        q, k, v = ([through(layer, frame) for frame in clip] for layer in (query, key, value))
        frames = []
        for i in range(len(clip)):
            logits = [(q[i] * key_of_j).sum() / temperature for key_of_j in k]
            largest = torch.stack(logits).detach().max()
            shares = [torch.exp(logit - largest) for logit in logits]
            total = torch.stack(shares).sum()
            taken = torch.zeros_like(v[0])
            for share, value_of_j in zip(shares, v, strict=True):
                taken = taken + share / total * value_of_j  # (4)
            mixed = through(output, taken)
            mixed = (mixed - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias
            frames.append(clip[i] + mixed)  # (5)
        clips.append(torch.stack(frames))
    return torch.stack(clips)


class TemporalSelfAttention(Attention):
    r"""Every frame adds to itself what it takes from all frames of its clip.

    .. math:: y_i = u_i + \mathrm{BN}(W_o \textstyle\sum_j A_{ij} v_j + b_o)

    The fused kernel has no second derivative: for gradient penalties and Hessians call the block
    with ``need_weights=True``, which also has the forward-mode derivatives.

    Args:
        channels: number of channels d of a frame.
        reduction: divisor r of the width of queries, keys and values, ``d // r``.
        temperature: what the scores are divided by; the square root of ``d // r`` gives scaled
            dot-product attention.
        bias: whether the four linear layers have biases.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, t, d)`, any number of frames
        - y: :math:`(b, t, d)`
        - weights: :math:`(b, t, t)`, rows sum to 1

    Raises:
        ValueError: if no width would be left, the temperature is not positive, or ``x`` does
            not fit.

    Examples:
        >>> block = TemporalSelfAttention(32)
        >>> y, weights = block(torch.randn(2, 8, 32), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 8, 32]), torch.Size([2, 8, 8]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        temperature: float = 1.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        width = inner_width(channels, reduction)
        if not temperature > 0:
            raise ValueError(f"temperature={temperature} must be a positive number")
        self.channels, self.reduction = channels, reduction
        self.temperature, self.bias = temperature, bias
        factory = {"device": device, "dtype": dtype}
        self.query = nn.Linear(channels, width, bias=bias, **factory)
        self.key = nn.Linear(channels, width, bias=bias, **factory)
        self.value = nn.Linear(channels, width, bias=bias, **factory)
        self.output = nn.Linear(width, channels, bias=bias, **factory)
        self.norm = nn.BatchNorm1d(channels, device=device, dtype=dtype)
        self._close()

    def reset_parameters(self) -> None:
        """Draw the linear layers anew and close the branch: the block is the identity again."""
        for layer in (self.query, self.key, self.value, self.output, self.norm):
            layer.reset_parameters()
        self._close()

    def _close(self) -> None:
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, t, channels)."""
        validate_frames(x, self.channels)
        check_statistics(self.norm, "norm", x.shape[0] * x.shape[1], x)

    def g(self, x: Tensor) -> Tensor:
        """The weights A, (b, t, t)."""
        return temporal_weights(self.query(x), self.key(x), self.temperature)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The frames with what they took, (b, t, channels)."""
        v = self.value(x)
        return x + self._project(weights.to(v.dtype) @ v)

    def attend(self, x: Tensor) -> Tensor:
        """The same without the t x t weights."""
        q, k, v = self.query(x), self.key(x), self.value(x)
        return x + self._project(attend(q, k, v, self.temperature))

    def _project(self, taken: Tensor) -> Tensor:
        mixed = self.output(taken)
        # Statistics over clips and frames, as for (b, d, t), without moving the axes.
        return self.norm(mixed.flatten(0, 1)).view_as(mixed)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        return ", ".join(parts + described(self.reduction, self.temperature, self.bias))


def described(reduction: int, temperature: float, bias: bool) -> list[str]:
    """Arguments as ``extra_repr`` shows them, defaults left out."""
    parts = []
    if reduction != 2:
        parts.append(f"reduction={reduction}")
    if temperature != 1:
        parts.append(f"temperature={temperature}")
    return parts + ([] if bias else ["bias=False"])


def inner_width(channels: int, reduction: int = 2) -> int:
    """Width of queries, keys and values: ``channels // reduction``."""
    whole(channels=channels, reduction=reduction)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    if channels < reduction:
        raise ValueError(
            f"reduction={reduction} leaves no width for frames of {channels} numbers: "
            f"choose reduction <= {channels}"
        )
    return channels // reduction


def validate_frames(x: Tensor, channels: int) -> None:
    """Raise a ``ValueError`` unless ``x`` has the shape ``(b, t, channels)``, t >= 1."""
    if x.ndim != 3:
        remedy = "add a batch axis with x[None]" if x.ndim == 2 else "pool each frame to a vector"
        raise ValueError(
            f"x must have the shape (b, t, c), got {x.ndim} axes {tuple(x.shape)}: {remedy}"
        )
    if x.shape[2] != channels:
        raise ValueError(
            f"x has {x.shape[2]} channels (shape {tuple(x.shape)}), but this block was built for "
            f"channels={channels}: build it with channels={x.shape[2]}, or, if time comes last, "
            f"pass x.mT"
        )
    if x.shape[1] == 0:
        raise ValueError(
            f"x has no frames (shape {tuple(x.shape)}): there is nothing to attend to; "
            f"pass at least one"
        )
