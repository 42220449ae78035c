r"""Triplet attention (Misra et al., 2021; key ``misra2021triplet``).

Equations, numbered as in the chapter ``channel_spatial/coordinate_attention``:

.. math::
    s^1 = [\mathrm{max}_i\, x ; \mathrm{mean}_i\, x], \quad
    s^2 &= [\mathrm{max}_j\, x ; \mathrm{mean}_j\, x], \quad
    s^3 = [\mathrm{max}_c\, x ; \mathrm{mean}_c\, x]                         & (6)\\
    m^a &= \sigma\bigl(\mathrm{BN}_a(K_a * s^a)\bigr), \qquad a = 1, 2, 3    & (7)\\
    y_{c,i,j} &= \tfrac13 \bigl(m^1_{c,j} + m^2_{i,c} + m^3_{i,j}\bigr)\, x_{c,i,j} & (8)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; c counts channels, i rows, j columns
s^1       b 2 c w      pooled over rows: the view along the columns of the map
s^2       b 2 h c      pooled over columns: the view from the side
s^3       b 2 h w      pooled over channels: the view from the front, as in CBAM
K_a       1 2 k k      one kernel for each view, its first plane for the largest value
m^1..m^3  b c w, b h c, b h w   gates of each view: the attention g(x)
========  ===========  ==========================================================

Default here: as the authors' code, which normalises the one map of (7) and whose convolutions have
no bias; but the running statistics move by PyTorch's 0.1 a step, in the code by 0.01.  The code
turns the whole of x for two of the views; here each view is pooled first, which gives the same
values and no copies of x.
Where several values share the largest, one of them gets its whole gradient, as in the code.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel_spatial.convolutional_block_attention.module import largest_and_mean
from attncourse.layers import check_statistics, whole


def view(x: Float[Tensor, "b c h w"], pooled: int) -> Float[Tensor, "b 2 p q"]:
    """Equation (6): largest value and mean along one axis; the view from the side is turned."""
    found = largest_and_mean(x, pooled)
    return found.mT if pooled == 3 else found


class TripletAttention(Attention):
    r"""Look at the block of features from three sides, and average three gates.

    .. math:: y_{c,i,j} = \tfrac13 \bigl(m^1_{c,j} + m^2_{i,c} + m^3_{i,j}\bigr)\, x_{c,i,j}

    Two of the views have the channels as one of their two axes: the order of channels counts.

    Source: Misra, Nalamada, Arasanipalai and Hou, *Rotate to Attend: Convolutional Triplet
    Attention Module*, WACV 2021, arXiv 2010.03045.

    Args:
        channels: number of channels c of the input; no parameter depends on it.
        kernel_size: side k of the three kernels, odd.
        spatial: whether the third view is there; without it the mean is over two gates.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode more than one value in every view of the batch
        - y: :math:`(b, c, h, w)`
        - weights: m1 :math:`(b, c, w)`, m2 :math:`(b, h, c)` and, if ``spatial``, m3
          :math:`(b, h, w)`, each in (0, 1)

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = TripletAttention(64)
        >>> y, gates = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> [tuple(m.shape) for m in gates]
        [(2, 64, 6), (2, 8, 64), (2, 8, 6)]
        >>> sum(p.numel() for p in block.parameters())
        300
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        *,
        spatial: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _checked(channels, kernel_size)
        self.channels, self.kernel_size, self.spatial = channels, kernel_size, spatial
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        views, pad = 3 if spatial else 2, kernel_size // 2
        self.convs = nn.ModuleList(
            nn.Conv2d(2, 1, kernel_size, padding=pad, bias=False, **factory) for _ in range(views)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(1, **factory) for _ in range(views))

    def reset_parameters(self) -> None:
        """Draw all kernels anew from PyTorch's defaults."""
        for layer in (*self.convs, *self.norms):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w), with views to normalise."""
        validate_features(x, self.channels)
        for place, pooled in enumerate(_POOLED[: len(self.norms)]):
            seen = x.shape[0] * x.shape[1] * x.shape[2] * x.shape[3] // x.shape[pooled]
            check_statistics(self.norms[place], f"norms[{place}]", seen, x)

    def g(self, x: Tensor) -> tuple[Tensor, ...]:
        """Equations (6) and (7): gates of the views, (b, c, w), (b, h, c) and (b, h, w)."""
        parts = zip(_POOLED, self.convs, self.norms, strict=False)
        return tuple(
            torch.sigmoid(norm(conv(view(x, pooled))))[:, 0].to(x.dtype)
            for pooled, conv, norm in parts
        )

    def f(self, weights: tuple[Tensor, ...], x: Tensor) -> Tensor:
        """Equation (8): the three gates spread out and averaged, times x."""
        m1, m2, *third = weights
        total = m1[:, :, None] + m2.mT[..., None]
        for m3 in third:
            total = total + m3[:, None]
        return x * (total / len(weights))

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [] if self.kernel_size == 7 else [f"kernel_size={self.kernel_size}"]
        return ", ".join([str(self.channels), *parts, *["spatial=False"] * (not self.spatial)])


#: The axis of x that each view is pooled over: rows, columns, channels.
_POOLED = (2, 3, 1)


def _checked(channels: int, kernel_size: int) -> None:
    whole(channels=channels, kernel_size=kernel_size)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: count the channels of x")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size={kernel_size} would move or resize the views: choose an odd number, "
            f"7 in the code"
        )


def triplet_attention_reference(
    x: Float[Tensor, "b c h w"], kernels: list[Tensor], affine: list[tuple[Tensor, Tensor]]
) -> Float[Tensor, "b c h w"]:
    """Equations (6) to (8) in eval mode, one image, one place of one view at a time.

    ``affine`` holds the scale and shift that each view's normalisation is.
    """
    reach = kernels[0].shape[-1] // 2

    def gates(block: Tensor, kernel: Tensor, grow: Tensor, shift: Tensor) -> Tensor:
        """``block`` (a, p, q) is pooled over its first axis."""
        size = block.shape[1:]
        two = [torch.stack([v.max(), v.sum() / len(v)]) for v in block.flatten(1).T]
        maps = F.pad(torch.stack(two).T.reshape(2, *size), [reach] * 4)  # (6)
        found = []
        for p in range(size[0]):
            for q in range(size[1]):
                window = maps[:, p : p + 2 * reach + 1, q : q + 2 * reach + 1]
                logit = grow * (kernel[0] * window).sum() + shift
                found.append(1 / (1 + torch.exp(-logit)).squeeze())  # (7)
        return torch.stack(found).view(size)

    images = []
    for image in x:
        turned = (image.permute(1, 0, 2), image.permute(2, 1, 0), image)
        m = [
            gates(block, kernel, *scale)
            for block, kernel, scale in zip(turned, kernels, affine, strict=False)
        ]
        values = []
        for c, i, j in torch.cartesian_prod(*(torch.arange(n) for n in image.shape)).tolist():
            gate = m[0][c, j] + m[1][i, c] + (m[2][i, j] if len(m) == 3 else 0)
            values.append(gate / len(m) * image[c, i, j])  # (8)
        images.append(torch.stack(values).view_as(image))
    return torch.stack(images)


def triplet_parameters(channels: int, kernel_size: int = 7, *, spatial: bool = True) -> int:
    """Learned parameters: 2 k^2 of a kernel and 2 of its normalisation, for each view."""
    _checked(channels, kernel_size)
    return (3 if spatial else 2) * (2 * kernel_size**2 + 2)


def triplet_multiply_adds(
    height: int, width: int, channels: int, kernel_size: int = 7, *, spatial: bool = True
) -> int:
    """Multiply-adds for one image: two passes over x and a kernel for each view, one product."""
    _checked(channels, kernel_size)
    places = channels * width + height * channels + (height * width if spatial else 0)
    passes = 2 * (3 if spatial else 2) + 1
    return 2 * kernel_size**2 * places + passes * channels * height * width


CARD = Card(
    stem="triplet_attention",
    within="coordinate_attention",
    title="Triplet attention",
    category="channel_spatial",
    module=TripletAttention,
    key="misra2021triplet",
    authors="Misra, Nalamada, Arasanipalai, Hou",
    venue="WACV",
    year=2021,
    decides="m = σ(K ∗ [max x; mean x]) over rows, columns, channels",
    applies="y = (m_1 + m_2 + m_3) x / 3",
    weights="b c w, b h c, b h w",
    parameters=triplet_parameters,
    parameters_formula="3(2k² + 2)",
    macs=triplet_multiply_adds,
    macs_formula="2k²(CW + HC + HW) + 7CN",
    memory="one mean of gates for each value",
    growth="CN",
)
