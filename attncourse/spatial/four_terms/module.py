r"""The four terms of spatial attention (Zhu et al., 2019; key ``zhu2019empirical``).

Equations, numbered as in the chapter ``spatial/four_terms``:

.. math::
    s_{ij} &= \beta_1\, q_i^\top k_j + \beta_2\, q_i^\top \rho_{j-i}
        + \beta_3\, u^\top k_j + \beta_4\, u'^\top \rho_{j-i}                           & (1)\\
    a_{ij} &= \operatorname{softmax}_j(s_{ij}), \quad
        y_i = x_i + \gamma \bigl(W_o \sum_j a_{ij} v_j + b_o\bigr)                      & (2)\\
    \rho_\delta &= \bigl(W_y\, R(\delta_y) + W_x\, R(\delta_x)\bigr) / \sqrt 2          & (3)\\
    s_{ij} &= [\,q_i + u,\ \xi_i,\ \eta_i\,]^\top [\,k_j,\ e_{y(j)},\ e_{x(j)}\,]        & (10)

All of it once for each head.  (10) is the fast form: ``xi_i`` holds what position i gives for every
row and ``eta_i`` for every column, and a key says by a one and zeros where it stands.

============  ==========  =====================================================================
symbol        shape       meaning
============  ==========  =====================================================================
x             b c h w     input features; x_i is the vector at position i of n = h w
q, k, v       k d n       queries, keys and values of every head, without biases
u, u'         k d         questions that all positions ask: of contents, of places
R             D / 2       sines and cosines of a displacement along one axis
W_y, W_x      k d, D / 2  what a displacement means to a head, for rows and for columns
beta          4           which terms count: ``terms``, four characters 0 or 1
a             b k n m     weights, m positions that are asked
W_o, b_o      c, k d      the way back, the only layer with a bias
gamma         1           learned scale, zero at the start
y             b c h w     output
============  ==========  =====================================================================

Paper, released code and default here:

* The paper's u_m and v_m are u and u' here, because v stands for values in this course.
* The code (mmcv, ``GeneralizedAttention``, from the authors' group) has R(i - j) where the paper
  has R(j - i).  Sines change their sign, and W absorbs it; here it is as in the paper.
* There is no division by the root of d, as in the code.
* The code asks every second position in both directions; ``stride=2`` here does so, too, and takes
  the same ones.  Our default is 1.  Its stride of the queries and its window are left out.
* The code has nine heads, and 256 channels give them an inner width of 252.  Our default is 8.
* With ``terms="0010"`` alone every position has the same weights: one vector is read for all, as
  in the code.  ``"0000"`` is the plain mean.
* Parameters that no chosen term needs do not exist, as in the code.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import accepted
from attncourse.precision import at_least_single, exact, softmax
from attncourse.spatial.four_terms.cost import (
    checked,
    code_width,
    head_width,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.four_terms.functional import (
    Lines,
    along_lines,
    fused_read,
    line,
    relative_scores,
)
from attncourse.transforms import as_given

NAMES = ("query and key", "query and place", "key", "place")


class FourTerms(Attention):
    r"""Attention whose scores are a sum of four terms, each of which can be left out.

    .. math:: y_i = x_i + \gamma\, W_o \sum_j \operatorname{softmax}_j\bigl(
        q_i^\top k_j + q_i^\top \rho_{j-i} + u^\top k_j + u'^\top \rho_{j-i}\bigr)\, v_j

    Source: Zhu, Cheng, Zhang, Lin and Dai, *An Empirical Study of Spatial Attention Mechanisms in
    Deep Networks*, ICCV 2019, arXiv 1904.05873.  A fresh block is the identity, and its first
    step moves gamma alone.

    The fused kernel has no second derivative: for gradient penalties and Hessians call the block
    with ``need_weights=True``, which also has the forward-mode derivatives.

    Args:
        channels: number of channels c of the input.
        heads: number of heads, each of width ``max(1, c // heads)``.
        terms: four switches: query and key, query and place, key alone, place alone.
        code_channels: width D of the relative code, a multiple of 4; by default c, rounded up.
        stride: ask every position, or every second one of every second row, and so on.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, k, n, m)`, one row for each head and position; rows add up to 1

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = FourTerms(64, terms="0110")
        >>> y, weights = block(torch.randn(2, 64, 6, 5), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 64, 6, 5]), torch.Size([2, 8, 30, 30]))
    """

    def __init__(
        self,
        channels: int,
        heads: int = 8,
        *,
        terms: str = "1111",
        code_channels: int | None = None,
        stride: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked(terms, stride)
        wide = heads * head_width(channels, heads)
        code = code_width(channels, code_channels)
        self.channels, self.heads, self.terms, self.stride = channels, heads, terms, stride
        self.code_channels = code_channels
        pair, asks, content, place = (bit == "1" for bit in terms)
        like: dict[str, Any] = {"device": device, "dtype": dtype}

        def point(wanted: bool) -> nn.Conv2d | None:
            return nn.Conv2d(channels, wide, 1, bias=False, **like) if wanted else None

        def axis(wanted: bool) -> nn.Linear | None:
            return nn.Linear(code // 2, wide, bias=False, **like) if wanted else None

        def shared(wanted: bool) -> nn.Parameter | None:
            return nn.Parameter(torch.empty(wide, **like)) if wanted else None

        self.query, self.key = point(pair or asks), point(pair or content)
        self.rows, self.columns = axis(asks or place), axis(asks or place)
        self.content_bias, self.place_bias = shared(content), shared(place)
        self.value = nn.Conv2d(channels, wide, 1, bias=False, **like)
        self.out = nn.Conv2d(wide, channels, 1, **like)
        self.gamma = nn.Parameter(torch.empty(1, **like))
        self._start()

    def reset_parameters(self) -> None:
        """Draw everything anew as the released code does, and close the block."""
        for layer in self.children():
            # Its own draw is thrown away, but it moves the numbers that follow.
            layer.reset_parameters()  # type: ignore[operator]
        self._start()

    def _start(self) -> None:
        for layer in (self.query, self.key, self.rows, self.columns, self.value, self.out):
            if layer is not None:
                bound = math.sqrt(3 / layer.weight[0].numel())
                nn.init.uniform_(layer.weight, -bound, bound)
        for shared in (self.content_bias, self.place_bias):
            if shared is not None:
                bound = (2 * len(shared) // self.heads) ** -0.5
                nn.init.uniform_(shared, -bound, bound)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)
        nn.init.zeros_(self.gamma)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    @property
    def for_all(self) -> bool:
        """Whether every position has the same weights: no query and no place has a say."""
        return self.terms in ("0000", "0010")

    def energies(self, x: Tensor) -> dict[str, Float[Tensor, "b k n m"]]:
        """The terms of (1) that count, one by one; b or n is 1 where nothing depends on it."""
        with exact(x):
            q, k, lines = self._queries(x), self._keys(x), self._lines(x)
            found: dict[str, Tensor] = {}
            if q is not None and k is not None and self.terms[0] == "1":
                found[NAMES[0]] = q.flatten(2, 3) @ k.mT
            if q is not None and lines is not None and self.terms[1] == "1":
                found[NAMES[1]] = relative_scores(q, lines)
            if k is not None and self.content_bias is not None:
                found[NAMES[2]] = self._by_all(self.content_bias, x).flatten(2, 3) @ k.mT
            if lines is not None and self.place_bias is not None:
                everywhere = self._by_all(self.place_bias, x).expand(-1, -1, *x.shape[2:], -1)
                found[NAMES[3]] = relative_scores(everywhere, lines)
            return found

    def g(self, x: Tensor) -> Tensor:
        """The weights of every head, (b, k, n, m), from the terms added up."""
        n = x.shape[2] * x.shape[3]
        return self._weights(x).expand(x.shape[0], -1, n, -1)

    def _weights(self, x: Tensor) -> Tensor:
        """Equation (1) and the weights of (2); one row where it is the same for all."""
        scores = list(self.energies(x).values())
        if not scores:  # nothing is asked: the plain mean
            places = self._asked(x).flatten(2).shape[2]
            kind = at_least_single(x)
            return x.new_full((1, self.heads, 1, places), 1 / places, dtype=kind)
        total = scores[0]
        for term in scores[1:]:
            total = total + term
        return softmax(total, dim=3)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The second line of (2)."""
        v = self._values(x)
        return self._added(weights.to(v.dtype) @ v, x, x.shape[2:])

    def attend(self, x: Tensor) -> Tensor:
        """The same by (10); where one map serves all, one vector is read for all."""
        v = self._values(x)
        if self.for_all:
            one = self._weights(x).to(v.dtype).expand(x.shape[0], -1, -1, -1)
            return self._added(one @ v, x, torch.Size((1, 1)))
        with exact(x):
            q, k, lines = self._queries(x), self._keys(x), self._lines(x)
            content = self._asking(q, self.terms[0], self.content_bias, x)
            about = self._asking(q, self.terms[1], self.place_bias, x)
            places = None
            if about is not None and lines is not None:
                places = along_lines(about, lines)
            if content is not None:
                content = content.flatten(2, 3)
            read = fused_read(content, places, k, v.to(at_least_single(v)), who="FourTerms")
        return self._added(read.to(v.dtype), x, x.shape[2:])

    def _asking(
        self, q: Tensor | None, term: str, shared: Tensor | None, x: Tensor
    ) -> Float[Tensor, "b k h w d"] | None:
        """What is asked of contents, or of places: the own question, the shared one, or both."""
        if q is None or term == "0":
            if shared is None:
                return None
            return self._by_all(shared, x).expand(-1, -1, *x.shape[2:], -1)
        return q if shared is None else q + self._by_all(shared, x)

    def _by_all(self, shared: Tensor, x: Tensor) -> Float[Tensor, "1 k 1 1 d"]:
        return shared.to(at_least_single(x)).view(1, self.heads, 1, 1, -1)

    def _asked(self, x: Tensor) -> Tensor:
        """The positions that are asked, (b, c, rows, columns)."""
        return x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]

    def _queries(self, x: Tensor) -> Float[Tensor, "b k h w d"] | None:
        if self.query is None:
            return None
        q = self.query(accepted(self.query, x)).to(at_least_single(x))
        return q.unflatten(1, (self.heads, -1)).permute(0, 1, 3, 4, 2)

    def _keys(self, x: Tensor) -> Float[Tensor, "b k m d"] | None:
        if self.key is None:
            return None
        k = self.key(accepted(self.key, self._asked(x))).to(at_least_single(x))
        return k.flatten(2).unflatten(1, (self.heads, -1)).mT

    def _values(self, x: Tensor) -> Float[Tensor, "b k m d"]:
        v = self.value(accepted(self.value, self._asked(x)))
        return v.flatten(2).unflatten(1, (self.heads, -1)).mT

    def _lines(self, x: Tensor) -> Lines | None:
        """Equation (3), for every pair of rows and every pair of columns."""
        if self.rows is None or self.columns is None:
            return None
        like = x.new_zeros((), dtype=at_least_single(x))
        channels = code_width(self.channels, self.code_channels) // 2
        found = []
        for layer, size in ((self.rows, x.shape[2]), (self.columns, x.shape[3])):

            def project(code: Tensor, layer: nn.Module = layer) -> Tensor:
                return layer(accepted(layer, code)).to(like.dtype)

            asked = -(-size // self.stride)
            found.append(line(size, asked, self.stride, channels, project, self.heads, like))
        return Lines(*found)

    def _added(self, read: Tensor, x: Tensor, size: torch.Size) -> Tensor:
        """The second line of (2) from what every head has read, (b, k, n, d) or one row of it."""
        joined = read.mT.flatten(1, 2).unflatten(2, size)
        back = self.gamma * self.out(accepted(self.out, joined))
        return as_given(x, x + back)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        defaults: dict[str, Any] = {"heads": 8, "terms": "1111", "code_channels": None, "stride": 1}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)!r}")
        return ", ".join(parts)


CARD = Card(
    stem="four_terms",
    title="The four terms of spatial attention (Zhu et al.)",
    category="spatial",
    module=FourTerms,
    key="zhu2019empirical",
    authors="Zhu, Cheng, Zhang, Lin, Dai",
    venue="ICCV",
    year=2019,
    decides="a = softmax(qᵀ k + qᵀ ρ + uᵀ k + u'ᵀ ρ)",
    applies="y = x + γ(W_o Σ a v + b)",
    weights="b k n n",
    parameters=parameter_count,
    parameters_formula="5C² + 3C + 1",
    macs=multiply_adds,
    macs_formula="4NC² + (H + W - 1)C² + NC(H + W + 1) + 2N²(C + 8(H + W))",
    memory="N(C + 8(H + W)) numbers, never N²",
    growth="CN",
)
