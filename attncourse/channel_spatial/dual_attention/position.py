r"""The position branch of DANet (Fu et al., 2019): which positions belong together.

Equations, numbered as in the chapter ``channel_spatial/dual_attention``:

.. math::
    q_i = W_q x_i + b_q, \quad k_i &= W_k x_i + b_k, \quad v_i = W_v x_i + b_v         & (1)\\
    S_{ij} &= \frac{e^{q_i^\top k_j}}{\sum_l e^{q_i^\top k_l}}                         & (2)\\
    y^{p}_i &= x_i + \alpha \sum_j S_{ij}\, v_j                                        & (3)

========  ===========  ==========================================================
symbol    shape        meaning
========  ===========  ==========================================================
x         b c h w      input features; x_i is the vector at position i of n = h w
q, k      b d n        queries and keys, d = max(1, c // r)
v         b c n        values
S         b n n        position map: row i is a query and sums to 1; the attention g(x)
alpha     1            learned scale, zero at the start
========  ===========  ==========================================================

The bias of the keys is dead: it adds the same number to a whole row of logits, which the softmax
takes out again.  It is kept, because the authors' code has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import whole
from attncourse.precision import at_least_single, attention_map, exact, softmax
from attncourse.transforms import fused_attention, is_plain_eager

#: Queries that ``attend_blocks`` takes at a time: about 2 MB of logits for 2,304 positions.
BLOCK = 256


def position_map(q: Float[Tensor, "b d m"], k: Float[Tensor, "b d n"]) -> Float[Tensor, "b m n"]:
    """Equation (2): how much query i (row) attends to position j (column).

    In float32 at least, also under autocast: nothing keeps the products of q and k in the range
    of float16.
    """
    return attention_map(q.mT, k.mT)


def attend_whole(
    q: Float[Tensor, "b d n"], k: Float[Tensor, "b d n"], v: Float[Tensor, "b c n"]
) -> Float[Tensor, "b c n"]:
    """The map at once, keys down and queries across, so that no product needs a transpose."""
    with exact(q):
        kind = at_least_single(q)
        s = softmax(k.to(kind).mT @ q.to(kind), dim=1)
    return v @ s.to(v.dtype)


def attend_blocks(
    q: Float[Tensor, "b d n"], k: Float[Tensor, "b d n"], v: Float[Tensor, "b c n"]
) -> Float[Tensor, "b c n"]:
    """A block of queries at a time; its rows of the map are built again in the backward pass.

    Rows of the map do not depend on each other, so this is exact.  A captured graph can have no
    loop whose length depends on n: compiled and exported modules take the fused form.
    """
    if torch.compiler.is_compiling():
        return attend_fused(q, k, v)
    if q.shape[2] <= BLOCK or not is_plain_eager():  # nothing but eager code sees through it
        return attend_whole(q, k, v)
    parts = [
        checkpoint(_block, part, k, v, use_reentrant=False, preserve_rng_state=False)
        for part in q.split(BLOCK, dim=2)
    ]
    return torch.cat(parts, dim=2)


def _block(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return v @ position_map(q, k).to(v.dtype).mT


def attend_fused(
    q: Float[Tensor, "b d n"], k: Float[Tensor, "b d n"], v: Float[Tensor, "b c n"]
) -> Float[Tensor, "b c n"]:
    """PyTorch's fused attention, which never holds a map at all.

    On a CPU it is fused only if queries, keys and values are equally wide.  Zeros appended to q
    and k change no logit; there is no scale, because the paper has none.
    """
    wide = v.shape[1] - q.shape[1]
    q, k = (F.pad(t, (0, 0, 0, wide)) for t in (q, k))
    return fused_attention(q.mT, k.mT, v.mT, 1.0, who="DANet with form='fused'").mT


#: How ``forward`` evaluates (2) and (3); all are exact, and none is best everywhere.
FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "blocks": attend_blocks,
    "fused": attend_fused,
    "whole": attend_whole,
}


def position_attention_reference(
    x: Float[Tensor, "b c h w"],
    wq: Float[Tensor, "d c"],
    bq: Float[Tensor, " d"],
    wk: Float[Tensor, "d c"],
    bk: Float[Tensor, " d"],
    wv: Float[Tensor, "c c"],
    bv: Float[Tensor, " c"],
    alpha: Float[Tensor, " 1"],
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (3), one image, one query and one key at a time."""
    images = []
    for image in x.flatten(2):
        positions = image.unbind(1)
        q = [wq @ p + bq for p in positions]  # (1)
        k = [wk @ p + bk for p in positions]
        v = [wv @ p + bv for p in positions]
        columns = []
        for i, p in enumerate(positions):
            logits = torch.stack([(q[i] * k_j).sum() for k_j in k])
            powers = torch.exp(logits - logits.max())
            row = powers / powers.sum()  # (2)
            gathered = torch.zeros_like(p)
            for weight, v_j in zip(row, v, strict=True):
                gathered = gathered + weight * v_j
            columns.append(p + alpha * gathered)  # (3)
        images.append(torch.stack(columns, dim=1))
    return torch.stack(images).view_as(x)


class DualPositionAttention(Attention):
    r"""Add to every position a weighted mean over all positions, weighted by likeness.

    .. math:: y = x + \alpha\, V S^\top, \qquad S = \mathrm{softmax}_j(Q^\top K)

    The scale starts at zero, so that a fresh block is the identity.  With ``form="fused"`` there
    is no second derivative, and no forward-mode derivative: take another form, or call the block
    with ``need_weights=True``.

    Source: Fu et al., *Dual Attention Network for Scene Segmentation*, CVPR 2019,
    arXiv 1809.02983, "position attention module".

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the width of queries and keys, ``max(1, c // r)``.
        form: how the forward pass is evaluated; all three are exact.  ``"blocks"`` takes 256
            queries at a time and builds their rows of the map again in the backward pass;
            ``"fused"`` calls PyTorch's fused attention, with q and k padded to the width of v;
            ``"whole"`` holds the map and is the quickest of the three on small maps.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, n, n)` with n = h w; row i is a query

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = DualPositionAttention(64)
        >>> y, s = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, s.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 48, 48]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        *,
        form: str = "blocks",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.reduction, self.form = channels, reduction, form
        width = query_width(channels, reduction)
        if form not in FORMS:
            raise ValueError(f"form={form!r} is unknown: choose one of {', '.join(FORMS)}")
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query = nn.Conv2d(channels, width, 1, **factory)
        self.key = nn.Conv2d(channels, width, 1, **factory)
        self.value = nn.Conv2d(channels, channels, 1, **factory)
        self.alpha = nn.Parameter(torch.zeros(1, **factory))

    def reset_parameters(self) -> None:
        """Draw the projections anew from PyTorch's default, and close the block again."""
        for layer in (self.query, self.key, self.value):
            layer.reset_parameters()
        nn.init.zeros_(self.alpha)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> Tensor:
        """The position map S, (b, n, n)."""
        return position_map(self.query(x).flatten(2), self.key(x).flatten(2))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The input and what its positions gather from each other, (b, c, h, w)."""
        v = self.value(x).flatten(2)
        return self._added(v @ weights.to(v.dtype).mT, x)

    def attend(self, x: Tensor) -> Tensor:
        """``f(g(x), x)`` in the chosen form: no map of n by n, unless ``form="whole"``."""
        q, k, v = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        return self._added(FORMS[self.form](q, k, v), x)

    def _added(self, gathered: Tensor, x: Tensor) -> Tensor:
        """Equation (3), from its sums, (b, c, n)."""
        return x + (self.alpha * gathered).to(x.dtype).unflatten(2, x.shape[2:])

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        if self.reduction != 8:
            parts.append(f"reduction={self.reduction}")
        return ", ".join(parts + ([f"form={self.form!r}"] if self.form != "blocks" else []))


def query_width(channels: int, reduction: int) -> int:
    """Width of queries and keys, ``max(1, channels // reduction)``."""
    whole(channels=channels, reduction=reduction)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor: pass at least 1")
    return max(1, channels // reduction)


def position_parameters(channels: int, reduction: int = 8, *, form: str = "blocks") -> int:
    """Learned parameters: three projections with biases, and alpha."""
    del form  # brings no parameter
    width = query_width(channels, reduction)
    return 2 * (channels * width + width) + channels**2 + channels + 1


def position_multiply_adds_of_a_map(
    height: int, width: int, channels: int, reduction: int = 8, *, form: str = "blocks"
) -> int:
    """Multiply-adds for one image of so many rows and columns."""
    return position_multiply_adds(height * width, channels, reduction, form)


def position_multiply_adds(
    positions: int, channels: int, reduction: int = 8, form: str = "blocks"
) -> int:
    """Multiply-adds for one image: projections, logits, weighted sums, the scale."""
    width = query_width(channels, reduction)
    multiplied = channels if form == "fused" else width  # padded zeros are multiplied, too
    projections = positions * channels * (2 * width + channels)
    return projections + positions**2 * (multiplied + channels) + positions * channels


CARD = Card(
    stem="dual_position_attention",
    within="dual_attention",
    title="DANet, position branch",
    category="channel_spatial",
    module=DualPositionAttention,
    key="fu2019dual",
    authors="Fu, Liu, Tian, Li, Bao, Fang, Lu",
    venue="CVPR",
    year=2019,
    decides="S = softmax(QᵀK)",
    applies="y = x + α VSᵀ",
    weights="b n n",
    parameters=position_parameters,
    parameters_formula="C² + 2C²/r + 2C/r + C + 1",
    macs=position_multiply_adds_of_a_map,
    macs_formula="N²(C + C/r) + NC(C + 2C/r + 1)",
    memory="256 rows of S",
    growth="CN",
)
