r"""Spatial pyramid graph reasoning, SpyGR (Li et al., 2020; key ``li2020spygr``).

Equations, numbered as in the chapter ``spatial/spatial_pyramid_graph``:

.. math::
    A &= \phi(X)^\top \Lambda(X)\, \phi(X), \quad \phi(X) = \text{ReLU}(W_\phi X + b_\phi)   & (1)\\
    \Lambda(X) &= \text{diag}(\lambda), \quad
        \lambda = \text{sigmoid}(W_\lambda \bar{x} + b_\lambda)                              & (2)\\
    S &= D^{-1/2} A\, D^{-1/2}, \quad D_{ii} = d_i = \textstyle\sum_j A_{ij} + \epsilon      & (3)\\
    L &= I - S                                                                              & (4)\\
    Y &= \text{ReLU}(\Theta X L + b_\Theta)                                                 & (5)\\
    X L &= X - \big((X P^\top) \Lambda\big) P, \quad P = \phi(X)\, D^{-1/2}                 & (6)\\
    d &= \big(\lambda \odot \textstyle\sum_j \phi_j\big)^\top \phi                          & (7)

========  ==========  ==================================================================
symbol    shape       meaning
========  ==========  ==================================================================
x, X      b c h w     input features; X has n = h w positions as columns
phi       b m n       features that are compared, never negative; m = max(1, c // r)
lambda    b m         the diagonal: one weight for each of them, decided from the mean of x
A, S      b n n       edges of the graph, and the same with balanced degrees
d         b n         degrees, the row sums of A
P         b m n       phi over the root of the degree
Theta     c c         mixes channels, with a bias
y         b c h w     output
========  ==========  ==================================================================

With ``levels`` above 1 the map is max-pooled by 2 level by level, each level reasons on a graph of
its own, and results are enlarged and added up from coarse to fine, equation (8).

Paper, other code and default here:

* Of the paper we read the abstract alone, and no code of the authors'.  The equations are what is
  generally known of it, compared with two independent ports, which disagree with each other: one
  leaves lambda without bounds and draws its weights anew at each forward pass, so that nothing is
  trained; one takes a softmax over lambda, D - A in place of (4), and adds x.  Neither uses (6).
  So layers and defaults are our reading.
* lambda has to be positive, or a degree may be negative: a sigmoid here.  epsilon = 1e-6 holds
  positions whose phi is zero.
* ``smoothing=True`` puts S in the place of L: this is ours.  ``residual=True`` adds x to the
  result, without a ReLU and with Theta = 0 at the start.  Whether the paper adds x we could not
  check; one port does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import accepted, whole
from attncourse.precision import at_least_single, exact
from attncourse.transforms import in_format_of

#: Added to every degree.
EPSILON = 1e-6


def balanced(
    phi: Float[Tensor, "b m n"], diagonal: Float[Tensor, "b m"], epsilon: float = EPSILON
) -> Float[Tensor, "b m n"]:
    """P of (6): phi over the root of the degrees (7), which never needs A."""
    total = diagonal * phi.sum(dim=2)
    degrees = total[:, None] @ phi  # b 1 n
    return phi / torch.sqrt(degrees + epsilon)


def affinity(p: Float[Tensor, "b m n"], diagonal: Float[Tensor, "b m"]) -> Float[Tensor, "b n n"]:
    """S of (3), written out."""
    return (p * diagonal[:, :, None]).mT @ p


def smoothed(
    x: Float[Tensor, "b c n"], p: Float[Tensor, "b m n"], diagonal: Float[Tensor, "b m"]
) -> Float[Tensor, "b c n"]:
    """X S by way of c x m numbers, the second term of (6)."""
    return ((x @ p.mT) * diagonal[:, None]) @ p


def pyramid(x: Float[Tensor, "b c h w"], levels: int) -> list[Tensor]:
    """x, and x max-pooled by 2 again and again; a last odd row or column stays."""
    maps = [x]
    for _ in range(levels - 1):
        maps.append(F.max_pool2d(maps[-1], 2, ceil_mode=True))
    return maps


class SpatialPyramidGraph(Attention):
    r"""Take from every position what it has in common with those that are like it.

    .. math:: Y = \text{ReLU}\big(\Theta X (I - D^{-1/2} \phi^\top \Lambda \phi\, D^{-1/2})\big)

    Source: Li, Yang, Zhao, Shen, Lin and Liu, *Spatial Pyramid Based Graph Reasoning for Semantic
    Segmentation*, CVPR 2020, arXiv 2003.10211; see the module for what is our reading.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the width of the compared features, ``max(1, c // r)``.
        levels: levels of the pyramid; 1 is the graph of all pixels alone.
        smoothing: apply S, what neighbours have in common, in place of L = I - S.
        residual: add x, leave out the ReLU and start as the identity.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: the same
        - weights: a tuple with S, :math:`(b, n, n)`, for each level, from fine to coarse; n counts
          the positions of the level.  They are symmetric and never negative.

    Raises:
        ValueError: if an argument is out of range, or if ``x`` does not fit.

    Examples:
        >>> block = SpatialPyramidGraph(64)
        >>> y, maps = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, [tuple(s.shape) for s in maps]
        (torch.Size([2, 64, 8, 6]), [(2, 48, 48), (2, 12, 12), (2, 4, 4)])
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 8,
        levels: int = 3,
        *,
        smoothing: bool = False,
        residual: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        m = width(channels, reduction, levels)
        self.channels, self.reduction, self.levels = channels, reduction, levels
        self.smoothing, self.residual = smoothing, residual
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        each = range(levels)
        self.phi = nn.ModuleList(nn.Conv2d(channels, m, 1, **factory) for _ in each)
        self.diagonal = nn.ModuleList(nn.Linear(channels, m, **factory) for _ in each)
        self.theta = nn.ModuleList(nn.Conv2d(channels, channels, 1, **factory) for _ in each)
        self._shut()

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's default; with a residual Theta is zero again."""
        for layers in (self.phi, self.diagonal, self.theta):
            for layer in layers:
                layer.reset_parameters()  # type: ignore[operator]
        self._shut()

    def _shut(self) -> None:
        for parameter in self.theta.parameters() if self.residual else ():
            nn.init.zeros_(parameter)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def maps(self, x: Tensor) -> list[Tensor]:
        """What the levels reason about, from fine to coarse."""
        return pyramid(x, self.levels)

    def factors(self, level: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """P and the diagonal of one level, equations (1), (2) and (7): all that S is made of."""
        layer, decide = self.phi[level], self.diagonal[level]
        mean = x.mean(dim=(2, 3))
        with exact(x):  # degrees are sums of n m squares, and leave the range of half precision
            kind = at_least_single(x)
            phi = F.relu(layer(accepted(layer, x))).flatten(2).to(kind)
            diagonal = torch.sigmoid(decide(accepted(decide, mean)).to(kind))
            return balanced(phi, diagonal), diagonal

    def g(self, x: Tensor) -> tuple[Tensor, ...]:
        """S of every level, (b, n, n), from fine to coarse."""
        found = []
        for level, part in enumerate(self.maps(x)):
            factors = self.factors(level, part)
            with exact(x):
                found.append(affinity(*factors))
        return tuple(found)

    def f(self, weights: tuple[Tensor, ...], x: Tensor) -> Tensor:
        """Equations (4), (5) and (8) with maps that are given."""
        return self._reason(x, lambda level, part: part @ weights[level])

    def attend(self, x: Tensor) -> Tensor:
        """The same in the order of (6): nothing of n x n numbers is ever held."""
        maps = self.maps(x)
        return self._reason(
            x, lambda level, part: smoothed(part, *self.factors(level, maps[level])), maps
        )

    def _reason(
        self, x: Tensor, smooth: Callable[[int, Tensor], Tensor], maps: list[Tensor] | None = None
    ) -> Tensor:
        """Level after level, from coarse to fine; ``smooth`` gives X S of a level."""
        maps = self.maps(x) if maps is None else maps
        y: Tensor | None = None
        for level in reversed(range(self.levels)):
            part = maps[level]
            with exact(x):
                common = smooth(level, part.flatten(2).to(at_least_single(part)))
            common = common.to(part.dtype).view_as(part)
            theta = self.theta[level]
            mixed = theta(accepted(theta, common if self.smoothing else part - common))
            mixed = (mixed if self.residual else F.relu(mixed)).to(x.dtype)
            if y is not None:
                size = mixed.shape[2:]
                mixed = mixed + F.interpolate(y, size=size, mode="bilinear", align_corners=False)
            y = mixed
        assert y is not None
        return x + y if self.residual else in_format_of(x, y)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        parts += [f"reduction={self.reduction}"] if self.reduction != 8 else []
        parts += [f"levels={self.levels}"] if self.levels != 3 else []
        return ", ".join(
            parts + [f"{name}=True" for name in ("smoothing", "residual") if getattr(self, name)]
        )


def width(channels: int, reduction: int = 8, levels: int = 3) -> int:
    """Width m of the compared features, ``max(1, channels // reduction)``."""
    whole(channels=channels, reduction=reduction, levels=levels)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor: pass at least 1")
    if levels < 1:
        raise ValueError(f"levels={levels} must be at least 1: the graph of all pixels is one")
    return max(1, channels // reduction)


def parameter_count(
    channels: int,
    reduction: int = 8,
    levels: int = 3,
    *,
    smoothing: bool = False,
    residual: bool = False,
) -> int:
    """Learned parameters: phi, the diagonal and Theta of every level, with biases."""
    del smoothing, residual  # neither has any
    m = width(channels, reduction, levels)
    return levels * (2 * (channels * m + m) + channels**2 + channels)


def multiply_adds(
    height: int,
    width_: int,
    channels: int,
    reduction: int = 8,
    levels: int = 3,
    *,
    smoothing: bool = False,
    residual: bool = False,
) -> int:
    """Multiply-adds for one image in the order of (6); enlarging reads four for each number."""
    del smoothing, residual  # sums are not counted
    m, total = width(channels, reduction, levels), 0
    for level in range(levels):
        n = height * width_
        total += n * (3 * channels * m + channels**2 + channels + 2 * m)
        total += 2 * channels * m + m
        total += 4 * channels * n if level + 1 < levels else 0
        height, width_ = -(-height // 2), -(-width_ // 2)
    return total


def spatial_pyramid_graph_reference(
    x: Float[Tensor, "b c h w"], module: SpatialPyramidGraph
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (5) and (8), one pair of positions at a time, with A, D and L written out.

    The parameters are those of ``module``.
    """
    given = dict(module.named_parameters())

    def layer(name: str, vector: Tensor) -> Tensor:
        return given[f"{name}.weight"].flatten(1) @ vector + given[f"{name}.bias"]

    def reason(level: int, image: Tensor) -> Tensor:
        columns = image.flatten(1).unbind(dim=1)
        n = len(columns)
        phi = [layer(f"phi.{level}", column).relu() for column in columns]
        mean = torch.stack(columns).mean(dim=0)
        lam = 1 / (1 + torch.exp(-layer(f"diagonal.{level}", mean)))  # (2)
        edges = [[(phi[i] * lam * phi[j]).sum() for j in range(n)] for i in range(n)]  # (1)
        degrees = torch.stack([torch.stack(row).sum() for row in edges]) + EPSILON
        found = []
        for i in range(n):
            common = torch.zeros_like(columns[0])
            for j in range(n):
                common = common + edges[i][j] / torch.sqrt(degrees[i] * degrees[j]) * columns[j]
            mixed = layer(f"theta.{level}", common if module.smoothing else columns[i] - common)
            found.append(mixed if module.residual else mixed.relu())  # (5)
        return torch.stack(found, dim=1).view_as(image)

    def halved(image: Tensor) -> Tensor:
        h, w = image.shape[1:]
        rows = [
            [image[:, i : i + 2, j : j + 2].amax(dim=(1, 2)) for j in range(0, w, 2)]
            for i in range(0, h, 2)
        ]
        return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)

    def enlarging(large: int, small: int) -> Tensor:
        """(large, small): each row holds the shares of the one or two cells nearest to it."""
        shares = x.new_zeros(large, small)
        for i in range(large):
            at = max(0.0, (i + 0.5) * small / large - 0.5)
            first = min(int(at), small - 1)
            shares[i, first] += 1 - (at - first)
            shares[i, min(first + 1, small - 1)] += at - first
        return shares

    images = []
    for image in x:
        maps = [image]
        for _ in range(module.levels - 1):
            maps.append(halved(maps[-1]))
        y = None
        for level in reversed(range(module.levels)):
            part = reason(level, maps[level])
            if y is not None:  # (8)
                h, w = (enlarging(a, b) for a, b in zip(part.shape[1:], y.shape[1:], strict=True))
                part = part + torch.einsum("ia,jb,cab->cij", h, w, y)
            y = part
        assert y is not None
        images.append(image + y if module.residual else y)
    return torch.stack(images)


CARD = Card(
    stem="spatial_pyramid_graph",
    title="SpyGR: graph reasoning",
    category="spatial",
    module=SpatialPyramidGraph,
    key="li2020spygr",
    authors="Li, Yang, Zhao, Shen, Lin, Liu",
    venue="CVPR",
    year=2020,
    decides="S = Pᵀ Λ P, P = φ / √d",
    applies="y = δ(Θ x (I - S))",
    weights="b n n, b n/4 n/4, b n/16 n/16",
    parameters=parameter_count,
    parameters_formula="3¾C² + 3¾C",
    macs=multiply_adds,
    macs_formula="21N/16 (11C²/8 + 5C/4) + 5NC + 3C(C/4 + 1/8)",
    memory="CN, never N²",
    growth="CN",
)
