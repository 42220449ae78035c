r"""Asymmetric non-local blocks (Zhu et al., 2019; key ``zhu2019asymmetric``): sampled keys.

Equations, numbered as in the chapter ``spatial/asymmetric_non_local``:

.. math::
    \mathcal{P}(x) &= [\mathcal{P}_1(x), \mathcal{P}_3(x), \mathcal{P}_6(x), \mathcal{P}_8(x)]
        = x P^\top                                                                       & (1)\\
    k &= \text{ReLU}(\text{BN}(W_k x + b_k))                                             & (2)\\
    A &= \text{softmax}_j\big(k^\top \mathcal{P}(k) / \sqrt{d}\big)                      & (3)\\
    o_i &= W_o \sum_j A_{ij}\, \mathcal{P}(W_v x + b_v)_j + b_o                          & (4)\\
    y &= \text{ReLU}(\text{BN}(W_f [o; x] + b_f))                                        & (5)

========  ==========  ==================================================================
symbol    shape       meaning
========  ==========  ==================================================================
x         b c h w     input features, n = h w positions
P         m n         means over the m cells of the pyramid; its rows sum to 1
k         b d n       queries, and keys before they are averaged; d = max(1, c // r)
A         b n m       weights: row i says how much position i reads of each anchor
o         b c n       what was read
y         b c h w     output
========  ==========  ==================================================================

Paper, authors' code and default here:

* Queries and keys are one layer, as in the authors' code.  That code calls it once for each, so
  that a step of training moves its running statistics twice; here once.
* What is read is joined with x and mixed by W_f, as in the code.  ``residual=True`` adds it to x
  in place of (5), as a non-local block does.
* The code drops whole channels of y at random, with a probability of 0.05.  Here this is left to
  the network around.
* W_o starts at zero in both.  The block is no identity at the start all the same: W_f mixes x.

The mean is linear and each row of A sums to one, so that W_v, W_o and the half of W_f that
meets o may all act on the m anchors instead of the n positions.  ReLU and normalisation stand
between x and k, so that this does not hold for the keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import accepted, check_statistics, is_plain, whole
from attncourse.precision import attention_map

#: Cells along each side, level by level: 1 + 9 + 36 + 64 = 110 anchors.
SIZES = (1, 3, 6, 8)


def anchors(x: Float[Tensor, "b c h w"], sizes: Sequence[int] = SIZES) -> Float[Tensor, "b c m"]:
    """Equation (1): the means over l x l cells for every l of ``sizes``, in reading order.

    Cell i reaches from floor(i h / l) to ceil((i + 1) h / l), so that neighbours overlap where l
    does not divide h; where l exceeds h, pixels repeat.
    """
    return torch.cat([F.adaptive_avg_pool2d(x, side).flatten(2) for side in sizes], dim=2)


def pooling_matrix(h: int, w: int, sizes: Sequence[int] = SIZES) -> Float[Tensor, "m n"]:
    """P of (1) in float64: row j holds the share of each position in anchor j."""
    unit = torch.eye(h * w, dtype=torch.float64).view(1, h * w, h, w)
    return anchors(unit, sizes)[0].T


class AsymmetricNonLocal(Attention):
    r"""Let every position read a weighted sum over a few anchors, means over cells of a pyramid.

    .. math:: y = \text{ReLU}(\text{BN}(W_f [W_o\, A\, \mathcal{P}(W_v x); x]))

    Source: Zhu, Xu, Bai, Huang and Bai, *Asymmetric Non-local Neural Networks for Semantic
    Segmentation*, ICCV 2019, arXiv 1908.07678: the block on one level, APNB.  On a GPU
    ``torch.use_deterministic_algorithms(True)`` refuses the backward pass of adaptive pooling.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the width of queries, keys and values, ``max(1, c // r)``.
        sizes: cells along each side, one number for each level of the pyramid.
        residual: add what was read to x, and leave out W_f, its normalisation and its ReLU.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, of any size
        - y: the same
        - weights: :math:`(b, n, m)`, one row for each of the n = h w positions, which sums to 1;
          m is the sum of the squares of ``sizes``

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = AsymmetricNonLocal(64)
        >>> y, weights = block(torch.randn(2, 64, 24, 16), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 64, 24, 16]), torch.Size([2, 384, 110]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        sizes: Sequence[int] = SIZES,
        *,
        residual: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        width, _ = widths(channels, reduction, sizes)
        self.channels, self.reduction, self.sizes = channels, reduction, tuple(sizes)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.key = nn.Conv2d(channels, width, 1, **factory)
        self.key_norm = nn.BatchNorm2d(width, **factory)
        self.value = nn.Conv2d(channels, width, 1, **factory)
        self.out = nn.Conv2d(width, channels, 1, **factory)
        self.fuse = None if residual else nn.Conv2d(2 * channels, channels, 1, **factory)
        self.norm = None if residual else nn.BatchNorm2d(channels, **factory)
        self._shut()

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's default, and close W_o again."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]
        self._shut()

    def _shut(self) -> None:
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)
        for name in ("key_norm", "norm"):
            check_statistics(getattr(self, name), name, x.numel() // self.channels, x)

    def g(self, x: Tensor) -> Tensor:
        """The weights A, (b, n, m): row i says what position i reads."""
        k = F.relu(self.key_norm(self.key(x)))  # (2)
        keys = anchors(k, self.sizes).mT
        return attention_map(k.flatten(2).mT, keys, k.shape[1] ** -0.5)  # (3)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """Equations (4) and (5), with all that is linear done on the anchors."""
        cells = anchors(x, self.sizes)[..., None]  # b c m 1: a picture of one column
        values = self.out(self.value(cells))
        if self.fuse is None:
            return x + self.read(weights, values).to(x.dtype).view_as(x)
        if is_plain(self.fuse, nn.Conv2d) and self.fuse.bias is not None:
            context, own = self.fuse.weight.split(self.channels, dim=1)
            read = self.read(weights, F.conv2d(values, context))
            y = F.conv2d(accepted(self.fuse, x), own, self.fuse.bias)
            y = y + read.to(y.dtype).view_as(y)
        else:
            y = self.fuse(torch.cat([self.read(weights, values).to(x.dtype).view_as(x), x], dim=1))
        assert self.norm is not None
        return F.relu(self.norm(y)).to(x.dtype)

    def read(self, weights: Tensor, values: Tensor) -> Tensor:
        """Values of the anchors, (b, c, m, 1), by the weights: (b, c, n)."""
        return values.flatten(2) @ weights.to(values.dtype).mT

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        parts += [f"reduction={self.reduction}"] if self.reduction != 2 else []
        parts += [f"sizes={self.sizes}"] if self.sizes != SIZES else []
        return ", ".join(parts + (["residual=True"] if self.fuse is None else []))


def widths(channels: int, reduction: int = 2, sizes: Sequence[int] = SIZES) -> tuple[int, int]:
    """Width d of keys and values, ``max(1, channels // reduction)``, and the anchors' number m."""
    whole(channels=channels, reduction=reduction, sizes=sizes)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor: pass at least 1")
    if not sizes or min(sizes) < 1:
        raise ValueError(f"sizes={tuple(sizes)} must name at least one level of 1 cell or more")
    return max(1, channels // reduction), sum(n * n for n in sizes)


def parameter_count(
    channels: int, reduction: int = 2, sizes: Sequence[int] = SIZES, *, residual: bool = False
) -> int:
    """Learned parameters; the pyramid has none."""
    d, _ = widths(channels, reduction, sizes)
    attention = 3 * channels * d + 4 * d + channels
    return attention + (0 if residual else 2 * channels**2 + 3 * channels)


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 2,
    sizes: Sequence[int] = SIZES,
    *,
    residual: bool = False,
) -> int:
    """Multiply-adds for one image: keys, weights and reading, and what acts on anchors.

    A level of one cell is a mean over the map, which counts once for each number; torch's pooling
    of the finer levels is no product, and is not counted.
    """
    d, s = widths(channels, reduction, sizes)
    n, mixed = height * width, 0 if residual else channels**2
    means = tuple(sizes).count(1) * (channels + d)
    return n * (channels * d + (channels + d) * s + means + mixed) + s * (2 * channels * d + mixed)


def asymmetric_non_local_reference(
    x: Float[Tensor, "b c h w"], module: AsymmetricNonLocal
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (5) in eval mode, one cell, one position and one anchor at a time.

    The parameters are those of ``module``; everything happens where the paper writes it.
    """
    given = dict(module.named_parameters()) | dict(module.named_buffers())

    def layer(name: str, vector: Tensor) -> Tensor:
        return given[f"{name}.weight"].flatten(1) @ vector + given[f"{name}.bias"]

    def norm(name: str, vector: Tensor) -> Tensor:
        centred = vector - given[f"{name}.running_mean"]
        spread = torch.sqrt(given[f"{name}.running_var"] + 1e-5)
        return given[f"{name}.weight"] * centred / spread + given[f"{name}.bias"]

    images = []
    for image in x:
        h, w = image.shape[1:]
        places = [(i, j) for i in range(h) for j in range(w)]
        k = {p: norm("key_norm", layer("key", image[:, *p])).relu() for p in places}  # (2)
        v = {p: layer("value", image[:, *p]) for p in places}
        keys, values = [], []
        for m in module.sizes:  # (1)
            for a in range(m):
                for b in range(m):
                    rows = range(a * h // m, -(-(a + 1) * h // m))
                    columns = range(b * w // m, -(-(b + 1) * w // m))
                    cell = [(i, j) for i in rows for j in columns]
                    keys.append(torch.stack([k[p] for p in cell]).mean(dim=0))
                    values.append(torch.stack([v[p] for p in cell]).mean(dim=0))
        pixels = []
        for p in places:
            logits = torch.stack([(k[p] * key).sum() / len(key) ** 0.5 for key in keys])
            powers = torch.exp(logits - logits.max())
            weights = powers / powers.sum()  # (3)
            read = torch.zeros_like(values[0])
            for weight, value in zip(weights, values, strict=True):
                read = read + weight * value
            o = layer("out", read)  # (4)
            if module.fuse is None:
                pixels.append(image[:, *p] + o)
            else:
                pixels.append(
                    norm("norm", layer("fuse", torch.cat([o, image[:, *p]]))).relu()
                )  # (5)
        images.append(torch.stack(pixels, dim=1).view_as(image))
    return torch.stack(images)


CARD = Card(
    stem="asymmetric_non_local",
    title="Asymmetric non-local",
    category="spatial",
    module=AsymmetricNonLocal,
    key="zhu2019asymmetric",
    authors="Zhu, Xu, Bai, Huang, Bai",
    venue="ICCV",
    year=2019,
    decides="A = softmax(kᵀ P(k) / √d)",
    applies="y = δ(W_f [W_o A P(W_v x); x])",
    weights="b n m",
    parameters=parameter_count,
    parameters_formula="3½C² + 6C",
    macs=multiply_adds,
    macs_formula="N(3C²/2 + 166½C) + 220C²",
    memory="110N weights, never N²",
    growth="CN",
)
