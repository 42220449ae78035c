r"""The local half of GLTR: the dilated temporal pyramid, equations (1) and (2) of the chapter.

.. math::
    p^{(r)}_t &= \sum_{l \in \{-1, 0, 1\}} W^{(r)}_l\, x_{t + r l}             & (1)\\
    u_t &= [\,x_t,\ p^{(r_1)}_t,\ \dots,\ p^{(r_k)}_t\,]                       & (2)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b t c        one vector of c numbers for each of t frames
W         k c c 3      for each of k rates three taps, each a c x c matrix
p^(r)     b t c        branch with rate r; frames outside the clip are zero
u         b t d        frames that know their neighbourhood, d = (k + 1) c
========  ===========  ==========================================================

No bias, no normalisation and no ReLU: the pyramid is linear.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.layers import whole

#: Standard deviation of fresh taps, as in the authors' code.
TAPS_STD = 0.001


def pyramid(
    x: Float[Tensor, "b t c"],
    weight: Float[Tensor, "k c c 3"],
    rates: Sequence[int],
    keep_input: bool = True,
) -> Float[Tensor, "b t d"]:
    """Equations (1) and (2): width-3 convolutions over time, side by side."""
    # Conv1d wants channels before time; a copy here spares each branch its own.
    signal = x.mT.contiguous()
    branches = [
        F.conv1d(signal, taps, padding=rate, dilation=rate).mT
        for taps, rate in zip(weight, rates, strict=True)
    ]
    return torch.cat([x, *branches] if keep_input else branches, dim=2)


def pyramid_reference(
    x: Float[Tensor, "b t c"],
    weight: Float[Tensor, "k c c 3"],
    rates: Sequence[int],
    keep_input: bool = True,
) -> Float[Tensor, "b t d"]:
    """Equations (1) and (2), one clip, one frame and one tap at a time."""
    clips = []
    for clip in x:
        frames = []
        for t in range(len(clip)):
            parts = [clip[t]] if keep_input else []
            for taps, rate in zip(weight, rates, strict=True):
                total = torch.zeros_like(clip[t])
                for tap, lag in enumerate((-rate, 0, rate)):
                    if 0 <= t + lag < len(clip):
                        total = total + taps[:, :, tap] @ clip[t + lag]  # (1)
                parts.append(total)
            frames.append(torch.cat(parts))  # (2)
        clips.append(torch.stack(frames))
    return torch.stack(clips)


def coupled_lags(rates: Sequence[int]) -> tuple[int, ...]:
    """Distances of two frames that one output of the pyramid sees together.

    A branch of rate r reads frames -r, 0 and r: pairs at distance r and at distance 2r.
    """
    return tuple(sorted({lag for rate in rates for lag in (rate, 2 * rate)}))


class DilatedTemporalPyramid(nn.Module):
    r"""Parallel convolutions over time, each with its own dilation rate.

    Args:
        channels: number of channels c of a frame.
        rates: dilation rates, one branch each.
        keep_input: put the frame itself in front of the branches, as the authors' code does.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, t, c)`, any number of frames
        - output: :math:`(b, t, d)` with d = c times the number of branches, and c more for
          the frame itself

    Raises:
        ValueError: if a rate is not a positive integer, is repeated, or if there is none.

    Examples:
        >>> DilatedTemporalPyramid(8)(torch.randn(2, 16, 8)).shape
        torch.Size([2, 16, 32])
    """

    def __init__(
        self,
        channels: int,
        rates: Sequence[int] = (1, 2, 3),
        *,
        keep_input: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.out_channels = pyramid_width(channels, rates, keep_input)
        self.channels, self.rates, self.keep_input = channels, tuple(rates), keep_input
        shape = (len(self.rates), channels, channels, 3)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all taps anew, close to zero: at the start the pyramid adds next to nothing."""
        nn.init.normal_(self.weight, std=TAPS_STD)

    def forward(self, x: Tensor) -> Tensor:
        """The frames with their neighbourhoods, (b, t, out_channels)."""
        return pyramid(x, self.weight, self.rates, self.keep_input)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        return ", ".join(described(self.channels, self.rates, self.keep_input))


def described(channels: int, rates: tuple[int, ...], keep_input: bool) -> list[str]:
    """Arguments as ``extra_repr`` shows them, defaults left out."""
    parts = [str(channels)]
    if rates != (1, 2, 3):
        parts.append(f"rates={rates}")
    return parts + ([] if keep_input else ["keep_input=False"])


def pyramid_width(channels: int, rates: Sequence[int] = (1, 2, 3), keep_input: bool = True) -> int:
    """Width d of the pyramid's output."""
    whole(channels=channels, rates=rates)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    if len(rates) == 0:
        raise ValueError(
            f"rates={rates!r} holds no rate: name at least one, or use TemporalSelfAttention alone"
        )
    if any(rate < 1 for rate in rates) or len(set(rates)) < len(rates):
        raise ValueError(
            f"rates={rates!r} must be different integers of at least 1: such as (1, 2, 3)"
        )
    return channels * (len(rates) + int(keep_input))
