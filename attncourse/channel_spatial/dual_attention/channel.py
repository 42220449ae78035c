r"""The channel branch of DANet (Fu et al., 2019): which channels belong together.

Equations, numbered as in the chapter ``channel_spatial/dual_attention``:

.. math::
    G_{cd} &= \sum_i x_{c,i}\, x_{d,i}                                                 & (4)\\
    T_{cd} &= \frac{e^{G_{cd}}}{\sum_l e^{G_{cl}}}                                     & (5)\\
    y^{c}_{c} &= x_c + \beta \sum_d T_{cd}\, x_d                                       & (6)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; x_c is channel c as a vector of n = h w values
G         b c c        energy: the inner products of all pairs of channels
T         b c c        channel map: row c sums to 1; the attention g(x)
beta      1            learned scale, zero at the start; the only parameter
========  ===========  ==========================================================

Paper and released code differ: the code takes the softmax of ``max - G``, which is the softmax of
``-G``: every channel attends to the channels that it is *least* like.  The default here is the
paper's equation; ``sign=-1`` is the released code.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import whole
from attncourse.precision import attention_map


def channel_map(
    x: Float[Tensor, "b c n"], sign: int = 1, power: float = 0.0
) -> Float[Tensor, "b c c"]:
    """Equations (4) and (5): how much channel c (row) attends to channel d (column).

    In float32 at least, also under autocast: an energy is a sum of n squares, which leaves the
    range of float16 for maps of ordinary size.
    """
    return attention_map(x, x, sign / x.shape[2] ** power if power else sign)


def channel_attention_reference(
    x: Float[Tensor, "b c h w"], beta: Float[Tensor, " 1"], sign: int = 1, power: float = 0.0
) -> Float[Tensor, "b c h w"]:
    """Equations (4) to (6), one image and one pair of channels at a time."""
    images = []
    for image in x:
        channels = image.unbind(0)
        positions = channels[0].numel()
        mixed = []
        for own in channels:
            energy = torch.stack([(own * other).sum() for other in channels])  # (4)
            logits = sign * energy / positions**power
            powers = torch.exp(logits - logits.max())
            row = powers / powers.sum()  # (5)
            gathered = torch.zeros_like(own)
            for weight, other in zip(row, channels, strict=True):
                gathered = gathered + weight * other
            mixed.append(own + beta * gathered)  # (6)
        images.append(torch.stack(mixed))
    return torch.stack(images)


class DualChannelAttention(Attention):
    r"""Add to every channel a weighted mean of all channels, weighted by likeness.

    .. math:: y = x + \beta\, T x, \qquad T = \mathrm{softmax}_d(\pm x x^\top / n^{p})

    The scale starts at zero, so that a fresh block is the identity.  There are no projections:
    the one learned number is the scale.

    Source: Fu et al., *Dual Attention Network for Scene Segmentation*, CVPR 2019,
    arXiv 1809.02983, "channel attention module".

    Args:
        channels: number of channels c of the input.
        sign: of the energy: 1 as in the paper, -1 as in the authors' released code.
        power: the energy is divided by ``n ** power``, where n is the number of positions; 0 as
            in the paper and in the code, 1 for a map that does not depend on the resolution.
        device: where the parameter lives.
        dtype: its type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c, c)`; row c belongs to the channel that attends

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = DualChannelAttention(64)
        >>> y, t = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, t.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 64, 64]))
    """

    def __init__(
        self,
        channels: int,
        *,
        sign: int = 1,
        power: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        whole(channels=channels, sign=sign)
        if channels < 1:
            raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
        if sign not in (1, -1):
            raise ValueError(
                f"sign={sign!r} must be 1 (the paper) or -1 (the released code): "
                f"use power to flatten the map"
            )
        if power < 0:
            raise ValueError(f"power={power} would sharpen the map with its size: pass 0 to 1")
        self.channels, self.sign, self.power = channels, sign, power
        self.beta = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Close the block again."""
        nn.init.zeros_(self.beta)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> Tensor:
        """The channel map T, (b, c, c)."""
        return channel_map(x.flatten(2), self.sign, self.power)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The input and what its channels gather from each other, (b, c, h, w)."""
        # The scale goes into the small factor: c * c products in place of c * n.
        mixed = (self.beta * weights).to(x.dtype) @ x.flatten(2)
        return x + mixed.to(x.dtype).view_as(x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        parts += [f"sign={self.sign}"] if self.sign != 1 else []
        return ", ".join(parts + ([f"power={self.power}"] if self.power else []))


def channel_multiply_adds(positions: int, channels: int) -> int:
    """Multiply-adds for one image: the energy, the weighted sums, and the scale on the map."""
    return 2 * positions * channels**2 + channels**2


def channel_parameters(channels: int, *, sign: int = 1, power: float = 0.0) -> int:
    """Learned parameters: beta alone."""
    del sign, power
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    return 1


def channel_multiply_adds_of_a_map(
    height: int, width: int, channels: int, *, sign: int = 1, power: float = 0.0
) -> int:
    """Multiply-adds for one image of so many rows and columns."""
    del sign, power
    return channel_multiply_adds(height * width, channels)


CARD = Card(
    stem="dual_channel_attention",
    within="dual_attention",
    title="DANet, channel branch",
    category="channel_spatial",
    module=DualChannelAttention,
    key="fu2019dual",
    authors="Fu, Liu, Tian, Li, Bao, Fang, Lu",
    venue="CVPR",
    year=2019,
    decides="T = softmax(XXᵀ)",
    applies="y = x + β TX",
    weights="b c c",
    parameters=channel_parameters,
    parameters_formula="1",
    macs=channel_multiply_adds_of_a_map,
    macs_formula="2NC² + C²",
    memory="all of T",
    growth="C²",
)
