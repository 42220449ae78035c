r"""CGA, cross-frame global attention of SpSequenceNet (Shi et al., 2020).

Equations, numbered as in the chapter ``spatial_temporal/sp_sequence``:

.. math::
    u_j &= W_2\, \delta(\mathrm{BN}(W_1 p_j)), \qquad
    s = \sigma\Bigl(\frac{1}{n'} \sum_j u_j\Bigr)                                       & (1)\\
    y_i &= s \odot x_i                                                                  & (2)

==========  ===========  ================================================================
symbol      shape        meaning
==========  ===========  ================================================================
p           b c n'       features of the frame before, point j of n'
W_1, W_2    c c          two layers on each point alone, without biases
s           b c          the gates, in (0, 1), one for each channel
x           b c n        features of the present frame, point i of n
y           b c n        the present frame, gated
==========  ===========  ================================================================

Paper against code: the definition is read from the authors' code, ``dante0shy/SpSequenceNet``.
It has sparse 1 x 1 x 1 convolutions for W_1 and W_2; here the points are a dense (b, c, n) set.
Its sigmoid stands behind the mean.  The mean is taken before W_2 here, which commutes with it.
The layers start by PyTorch's defaults.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.layers import accepted, check_statistics, positive
from attncourse.spatial_temporal.sp_sequence.frames import validate_frames


def parameter_count(channels: int) -> int:
    """Learned parameters: two layers of c x c, and 2 c of the normalisation."""
    positive(channels=channels)
    return 2 * channels * channels + 2 * channels


def multiply_adds(t: int, n: int, channels: int) -> int:
    """Multiply-adds for one pair of frames of n points.

    c^2 for each point before, their mean, c^2 once, and one product for each present number.
    """
    del t  # always two
    return channels * channels * n + channels * n + channels * channels + channels * n


def scale(s: Float[Tensor, "b c"], x: Float[Tensor, "b c n"]) -> Float[Tensor, "b c n"]:
    """Equation (2): every point's channel c times the one gate of channel c."""
    return s[:, :, None].to(x.dtype) * x


def global_attention_reference(
    x: Float[Tensor, "b c 2 n"],
    w1: Float[Tensor, "c c"],
    w2: Float[Tensor, "c c"],
    norm: tuple[Tensor, Tensor],
) -> Float[Tensor, "b c n"]:
    """Equations (1) and (2), one point and one channel at a time.

    ``norm`` has the factor and the shift of each channel that batch normalisation is in eval mode.
    """
    channels, points = x.shape[1], x.shape[3]
    factor, shift = norm
    scenes = []
    for scene in x:
        total = [x.new_zeros(()) for _ in range(channels)]
        for j in range(points):
            units = []
            for row in range(channels):
                unit = x.new_zeros(())
                for c in range(channels):
                    unit = unit + w1[row, c] * scene[c, 0, j]
                units.append((factor[row] * unit + shift[row]).clamp(min=0))
            for row in range(channels):
                for c in range(channels):
                    total[row] = total[row] + w2[row, c] * units[c]
        gates = [1 / (1 + torch.exp(-score / points)) for score in total]  # (1)
        scenes.append(torch.stack([gates[c] * scene[c, 1] for c in range(channels)]))  # (2)
    return torch.stack(scenes)


class CrossFrameGlobalAttention(Attention):
    r"""Gate the channels of the present points by the points of the frame before.

    .. math:: y_i = s \odot x_i, \qquad
        s = \sigma\Bigl(\frac{1}{n'} \sum_j W_2\, \delta(\mathrm{BN}(W_1 p_j))\Bigr)

    Source: Shi, Lin, Wang, Hung and Wang, *SpSequenceNet: Semantic Segmentation Network on 4D
    Point Clouds*, CVPR 2020, and the authors' code.  Both frames have n points here; ``gates`` and
    :func:`scale` take frames of two sizes.

    Args:
        channels: number of channels c of both frames.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, 2, n)`, the frame before first
        - y: :math:`(b, c, n)`
        - weights: the gates, :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if ``channels`` is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = CrossFrameGlobalAttention(32)
        >>> y, gates = block(torch.randn(2, 32, 2, 100), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 32, 100]), torch.Size([2, 32]))
        >>> sum(w.numel() for w in block.parameters())
        2112
    """

    def __init__(
        self,
        channels: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(channels=channels)
        self.channels = channels
        factory: Any = {"device": device, "dtype": dtype}
        self.first = nn.Conv1d(channels, channels, 1, bias=False, **factory)
        self.norm = nn.BatchNorm1d(channels, **factory)
        self.second = nn.Conv1d(channels, channels, 1, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Draw both layers anew, by PyTorch's defaults, and set the normalisation back."""
        for layer in (self.first, self.norm, self.second):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, 2, n) with points."""
        validate_frames(x, self.channels, f"channels={self.channels}")
        norm: nn.Module | None = getattr(self, "norm", None)
        check_statistics(norm, "norm", x.shape[0] * x.shape[3], x)

    def gates(self, before: Float[Tensor, "b c n"]) -> Float[Tensor, "b c"]:
        """Equation (1), with the mean taken before the second layer."""
        units = self.first(accepted(self.first, before))
        seen = F.relu(self.norm(accepted(self.norm, units))).mean(dim=2, keepdim=True)
        return torch.sigmoid(self.second(accepted(self.second, seen))).squeeze(2)

    def g(self, x: Tensor) -> Tensor:
        """The gates, (b, c)."""
        return self.gates(x[:, :, 0])

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated present frame, (b, c, n)."""
        return scale(weights, x[:, :, 1])

    def extra_repr(self) -> str:
        """The number of channels."""
        return str(self.channels)


CARD = Card(
    stem="sp_sequence",
    title="SpSequenceNet",
    category="spatial_temporal",
    module=CrossFrameGlobalAttention,
    key="shi2020spsequencenet",
    authors="Shi, Lin, Wang, Hung, Wang",
    venue="CVPR",
    year=2020,
    decides="s = σ(W₂ mean(δ(BN(W₁ p))))",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="2C² + 2C",
    macs=multiply_adds,
    macs_formula="C²N + C² + 2CN",
    memory="C numbers for each point of the frame before",
    growth="CN",
    drop_in=False,
    input="b c t n",
)
