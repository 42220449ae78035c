r"""DANet's dual attention (Fu et al., 2019; key ``fu2019dual``).

Two maps side by side, one between positions and one between channels.  Equations, numbered as in
the chapter ``channel_spatial/dual_attention``; (1) to (3) stand in ``position.py``
and (4) to (6) in ``channel.py`` beside this file:

.. math::
    y = x + \alpha\, V S^\top + \beta\, T X                                             \qquad (7)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x, X      b c h w      input features; X is the same as b c n, with n = h w
V         b c n        values of the position branch
S         b n n        position map; row i is a query
T         b c c        channel map; row c belongs to the channel that attends
alpha     1            scale of the position branch, zero at the start
beta      1            scale of the channel branch, zero at the start
========  ===========  ==========================================================

Where the paper, its code and this module differ:

* The paper's head puts a 3x3 convolution with normalisation and ReLU in front of each branch and
  another one behind it, and adds the two results.  :class:`DualPositionAttention` and
  :class:`DualChannelAttention` are the branches between these convolutions.  :class:`DualAttention`
  joins them into one block without convolutions, whose two residuals share one x, so that a fresh
  block is the identity.
* The sign of the channel map: see ``channel.py``.  The default is the paper's.
* The authors' code supervises three outputs: the sum, and each branch alone.  That belongs to a
  training recipe and not to the block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel_spatial.dual_attention.channel import (
    DualChannelAttention,
    channel_attention_reference,
    channel_multiply_adds,
)
from attncourse.channel_spatial.dual_attention.position import (
    DualPositionAttention,
    position_attention_reference,
    position_multiply_adds,
    position_parameters,
)

__all__ = ["CARD", "DualAttention", "DualChannelAttention", "DualPositionAttention"]


def dual_attention_reference(
    x: Tensor, *position: Tensor, beta: Tensor, sign: int = 1, power: float = 0.0
) -> Tensor:
    """Equation (7) from the loops of both branches, which each bring an x of their own."""
    branches = position_attention_reference(x, *position)
    return branches + channel_attention_reference(x, beta, sign, power) - x


class DualAttention(Attention):
    r"""Let positions gather from like positions, and channels from like channels.

    .. math:: y = x + \alpha\, V S^\top + \beta\, T X

    Both scales start at zero, so that a fresh block is the identity.  With ``form="fused"`` there
    is no second derivative, and no forward-mode derivative: for gradient penalties and Hessians
    take another form, or call the block with ``need_weights=True``.

    Source: Fu et al., *Dual Attention Network for Scene Segmentation*, CVPR 2019,
    arXiv 1809.02983.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the width of queries and keys, ``max(1, c // r)``.
        sign: of the channel energy: 1 as in the paper, -1 as in the authors' released code.
        power: the channel energy is divided by ``n ** power``; 0 as in the paper.
        form: how the position branch is evaluated, ``"blocks"``, ``"fused"`` or ``"whole"``; see
            :class:`DualPositionAttention`.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, c, h, w)`
        - weights: a position map :math:`(b, n, n)` and a channel map :math:`(b, c, c)`

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = DualAttention(64)
        >>> x = torch.randn(2, 64, 8, 6)
        >>> y, (s, t) = block(x, need_weights=True)
        >>> y.shape, s.shape, t.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 48, 48]), torch.Size([2, 64, 64]))
        >>> torch.equal(y, x)  # both scales are zero
        True
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        *,
        sign: int = 1,
        power: float = 0.0,
        form: str = "blocks",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.position = DualPositionAttention(
            channels, reduction, form=form, device=device, dtype=dtype
        )
        self.channel = DualChannelAttention(
            channels, sign=sign, power=power, device=device, dtype=dtype
        )

    def reset_parameters(self) -> None:
        """Draw the projections anew, and close both branches again."""
        self.position.reset_parameters()
        self.channel.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both maps: S, (b, n, n), and T, (b, c, c)."""
        return self.position.g(x), self.channel.g(x)

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """The input and what its positions and its channels gather, (b, c, h, w)."""
        s, t = weights
        return self.position.f(s, x) + self.channel.f(t, x) - x

    def attend(self, x: Tensor) -> Tensor:
        """The sum of both branches, each in its fastest form; x, which both bring, counts once."""
        return self.position(x) + self.channel(x) - x

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        position, channel = self.position.extra_repr(), self.channel.extra_repr()
        return ", ".join([position, *channel.split(", ")[1:]])


def parameter_count(
    channels: int, reduction: int = 8, *, sign: int = 1, power: float = 0.0, form: str = "blocks"
) -> int:
    """Learned parameters: those of the position branch, and beta."""
    del sign, power, form  # None of them brings a parameter.
    return position_parameters(channels, reduction) + 1


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 8,
    *,
    sign: int = 1,
    power: float = 0.0,
    form: str = "blocks",
) -> int:
    """Multiply-adds for one image: those of both branches."""
    del sign, power
    n = height * width
    position = position_multiply_adds(n, channels, reduction, form)
    return position + channel_multiply_adds(n, channels)


CARD = Card(
    stem="dual_attention",
    title="DANet",
    category="channel_spatial",
    module=DualAttention,
    key="fu2019dual",
    authors="Fu, Liu, Tian, Li, Bao, Fang, Lu",
    venue="CVPR",
    year=2019,
    decides="S = softmax(QᵀK), T = softmax(XXᵀ)",
    applies="y = x + α VSᵀ + β TX",
    weights="b n n, b c c",
    parameters=parameter_count,
    parameters_formula="C² + 2C²/r + 2C/r + C + 2",
    macs=multiply_adds,
    macs_formula="N²(C + C/r) + NC(3C + 2C/r + 1) + C²",
    memory="256 rows of S, all of T",
    growth="CN",
)
