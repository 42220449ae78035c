r"""Global context networks, GCNet (Cao, Xu, Lin, Wei and Hu, 2019; key ``cao2019gcnet``).

Equations, numbered as in the chapter ``spatial/global_context``:

.. math::
    z_i &= x_i + W_z \sum_j A_{ij}\, W_v x_j                                      & (1)\\
    z_i &= x_i + \sum_j \alpha_j\, W_v x_j, \quad
        \alpha = \operatorname{softmax}_j(w_k^\top x_j)                           & (2)\\
    z_i &= x_i + W_v \sum_j \alpha_j\, x_j                                        & (3)\\
    c &= \sum_j \alpha_j\, x_j                                                    & (4)\\
    t(c) &= W_2\, \delta(\mathrm{LN}(W_1 c + b_1)) + b_2                          & (5)\\
    z_i &= x_i + t(c)                                                             & (6)\\
    z_i &= \sigma(t(c)) \odot x_i                                                 & (7)

(1) is the non-local block, (2) and (3) its simplification at two costs, (4) to (6) the global
context block and (7) its multiplying form.  ``fusion="both"`` has two transforms of one context:

.. math:: z_i = \sigma(t'(c)) \odot x_i + t(c)                                         \qquad (8)

==============  ========  ===============================================================
symbol          shape     meaning
==============  ========  ===============================================================
x               b c h w   input features; position i of n is one column of them
w_k             c         scores a position, with a bias that changes nothing
alpha           b n       one map for all queries: the attention g(x) of the course
c               b c       the context
W_1, b_1        d c, d    down to d = c // r, with layer normalisation over the d
W_2, b_2        c d, c    and back; both start at zero
z               as x      output
==============  ========  ===============================================================

Paper, authors' code and default here:

* The code takes the bottleneck as a multiplier, ``ratio=1/16``; here ``reduction=16`` divides, as
  in every module of the package.
* Zero starts make (6) the identity, and (7) a halving: sigmoid(0) = 1/2.  So it is in the code.
* Layer normalisation over one number gives its shift whatever comes in: refused here.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import scale, squeeze
from attncourse.layers import accepted, whole
from attncourse.precision import exact, softmax

POOLINGS = ("attention", "average")
FUSIONS = ("add", "multiply", "both")


def pooled(alpha: Float[Tensor, "b n"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """Equation (4): the mean of the positions, weighted by ``alpha``; one product a channel."""
    return torch.bmm(x.flatten(2), alpha[:, :, None].to(x.dtype))[:, :, 0]


class Transform(nn.Module):
    """Equation (5): down, layer normalisation, ReLU, and up to where it starts, at zero.

    Args:
        channels: width c of the context.
        hidden: width d of the bottleneck.
        factory: device and dtype.
    """

    def __init__(self, channels: int, hidden: int, **factory: Any) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, hidden, **factory)
        self.norm = nn.LayerNorm(hidden, **factory)
        self.expand = nn.Linear(hidden, channels, **factory)
        self._shut()

    def reset_parameters(self) -> None:
        """Draw the first layer anew and let the last one start at zero."""
        for layer in (self.reduce, self.norm, self.expand):
            layer.reset_parameters()
        self._shut()

    def _shut(self) -> None:
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    def forward(self, c: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
        """t(c)."""
        hidden = self.norm(self.reduce(accepted(self.reduce, c)))
        return self.expand(torch.relu(hidden))


class GlobalContext(Attention):
    r"""Add to every position, or multiply it by, what one weighted mean of all positions says.

    .. math:: z_i = x_i + W_2\, \delta\bigl(\mathrm{LN}(W_1 \textstyle\sum_j \alpha_j x_j)\bigr),
        \qquad \alpha = \mathrm{softmax}_j(w_k^\top x_j)

    Source: Cao, Xu, Lin, Wei and Hu, *GCNet: Non-local Networks Meet Squeeze-Excitation Networks
    and Beyond*, ICCV Workshops 2019, arXiv 1904.11492.
    In a residual network it stands at the end of a branch, before the shortcut is added.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the bottleneck's width, ``c // r``, which must be at least 2.
        pooling: ``"attention"``, equation (4), or ``"average"``, where every weight is 1 / n.
        fusion: ``"add"``, equation (6), ``"multiply"``, equation (7), or ``"both"``,
            equation (8).
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - z: :math:`(b, c, h, w)`
        - weights: :math:`(b, n)` for the n = h w positions, in reading order; they add up to 1

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = GlobalContext(64)
        >>> z, weights = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> z.shape, weights.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 48]))
        >>> sum(p.numel() for p in block.parameters())
        653
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        pooling: str = "attention",
        fusion: str = "add",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = bottleneck_width(channels, reduction)
        checked(pooling, fusion)
        self.channels, self.reduction, self.hidden_channels = channels, reduction, hidden
        self.pooling, self.fusion = pooling, fusion
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        attends = pooling == "attention"
        self.score = nn.Conv2d(channels, 1, 1, **factory) if attends else None
        self.multiply = Transform(channels, hidden, **factory) if fusion != "add" else None
        self.add = Transform(channels, hidden, **factory) if fusion != "multiply" else None
        self._draw_score()

    def reset_parameters(self) -> None:
        """Draw all layers anew, the last ones at zero."""
        for part in (self.score, self.multiply, self.add):
            if part is not None:
                part.reset_parameters()
        self._draw_score()

    def _draw_score(self) -> None:
        for p in () if self.score is None else self.score.parameters():
            nn.init.kaiming_normal_(p, nonlinearity="relu") if p.ndim > 1 else nn.init.zeros_(p)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> Tensor:
        """The weights alpha of the positions, (b, n)."""
        if self.score is None:
            n = x.shape[2] * x.shape[3]
            return torch.full_like(x[:, 0], 1 / n).flatten(1)
        with exact(x):  # logits that are not scaled leave the range of half precision
            return softmax(self.score(accepted(self.score, x)).flatten(1), dim=1)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The fused features, (b, c, h, w)."""
        return self._fused(pooled(weights, x), x)

    def attend(self, x: Tensor) -> Tensor:
        """The same; an average needs no weights."""
        return self._fused(squeeze(x), x) if self.score is None else self.f(self.g(x), x)

    def _fused(self, c: Tensor, x: Tensor) -> Tensor:
        """Equations (6) to (8), from the context."""
        z = x
        if self.multiply is not None:
            z = scale(torch.sigmoid(self.multiply(c)).to(x.dtype), x)
        if self.add is not None:
            z = z + self.add(c).to(x.dtype)[:, :, None, None]
        return z

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        parts += [f"reduction={self.reduction}"] if self.reduction != 16 else []
        parts += [f"pooling={self.pooling}"] if self.pooling != "attention" else []
        return ", ".join(parts + ([f"fusion={self.fusion}"] if self.fusion != "add" else []))


def global_context_reference(
    x: Float[Tensor, "b c h w"],
    score: nn.Conv2d | None,
    multiply: Transform | None,
    add: Transform | None,
) -> Float[Tensor, "b c h w"]:
    """Equations (4) to (8), one image and one position at a time."""

    def transform(layers: Transform, c: Tensor) -> Tensor:
        u = layers.reduce.weight @ c + layers.reduce.bias
        u = (u - u.mean()) / torch.sqrt(((u - u.mean()) ** 2).mean() + layers.norm.eps)
        u = u * layers.norm.weight + layers.norm.bias
        return layers.expand.weight @ u.clamp(min=0) + layers.expand.bias

    images = []
    for image in x.flatten(2):
        positions = image.unbind(dim=1)
        terms = [image.new_ones(()) for _ in positions]
        if score is not None:
            assert score.bias is not None
            logits = [score.weight.flatten() @ v + score.bias[0] for v in positions]
            terms = [torch.exp(logit - max(logits)) for logit in logits]
        total = sum(terms)
        c = sum(term / total * position for term, position in zip(terms, positions, strict=True))
        columns = list(positions)
        if multiply is not None:
            columns = [column / (1 + torch.exp(-transform(multiply, c))) for column in columns]
        if add is not None:
            columns = [column + transform(add, c) for column in columns]
        images.append(torch.stack(columns, dim=1))
    return torch.stack(images).view_as(x)


def bottleneck_width(channels: int, reduction: int = 16) -> int:
    """Width d of the bottleneck, ``channels // reduction``; raises below 2."""
    whole(channels=channels, reduction=reduction)
    if channels < 2:
        raise ValueError(f"channels={channels} must be at least 2")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    hidden = channels // reduction
    if hidden < 2:
        raise ValueError(
            f"reduction={reduction} leaves {hidden} of {channels} channels, too few to normalise: "
            f"choose at most reduction={channels // 2}"
        )
    return hidden


def checked(pooling: str, fusion: str) -> None:
    """Raise a ``ValueError`` unless both are known."""
    for name, value, known in (("pooling", pooling, POOLINGS), ("fusion", fusion, FUSIONS)):
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(known)}")


def parameter_count(
    channels: int, reduction: int = 16, *, pooling: str = "attention", fusion: str = "add"
) -> int:
    """Learned parameters: c + 1 of the score, and 2 c d + c + 3 d of each transform."""
    d = bottleneck_width(channels, reduction)
    checked(pooling, fusion)
    score = channels + 1 if pooling == "attention" else 0
    return score + (2 if fusion == "both" else 1) * (2 * channels * d + channels + 3 * d)


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 16,
    *,
    pooling: str = "attention",
    fusion: str = "add",
) -> int:
    """Multiply-adds for one image: passes over x to score, to pool and to scale, and 2 c d."""
    d = bottleneck_width(channels, reduction)
    checked(pooling, fusion)
    passes = (2 if pooling == "attention" else 1) + (0 if fusion == "add" else 1)
    return passes * channels * height * width + (2 if fusion == "both" else 1) * 2 * channels * d


CARD = Card(
    stem="global_context",
    title="GCNet",
    category="spatial",
    module=GlobalContext,
    key="cao2019gcnet",
    authors="Cao, Xu, Lin, Wei, Hu",
    venue="ICCV Workshops",
    year=2019,
    decides="α = softmax(wₖᵀ x)",
    applies="z = x + W₂ δ(LN(W₁ Σ α x))",
    weights="b n",
    parameters=parameter_count,
    parameters_formula="2C²/r + 2C + 3C/r + 1",
    macs=multiply_adds,
    macs_formula="2NC + 2C²/r",
    memory="one map of N",
    growth="N",
)
