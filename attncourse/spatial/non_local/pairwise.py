"""The four pairwise functions of non-local networks, each with the weights that it owns.

A :class:`Pairwise` maps tokens to the matrix A of the equations (``g``), or reads through it
without building it (``forward``).  Both also know their cost in closed form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.layers import is_plain
from attncourse.precision import exact
from attncourse.spatial.non_local.advanced import symmetric
from attncourse.spatial.non_local.advanced.symmetric import symmetric_read
from attncourse.spatial.non_local.functional import (
    concatenation_read,
    concatenation_weights,
    dot_product_read,
    dot_product_weights,
    softmax_read,
    softmax_weights,
)
from attncourse.transforms import is_plain_eager


def project(x: Float[Tensor, "b n c"], layer: nn.Module) -> Float[Tensor, "b n d"]:
    """``layer(x)`` for tokens that are a transposed view: no copy is made or kept."""
    if not is_plain(layer, nn.Linear):
        return layer(x)
    return torch.baddbmm(layer.bias, x, layer.weight.mT.expand(x.shape[0], -1, -1))


class Pairwise(nn.Module, ABC):
    """f(x_i, x_j) / C(x) of one form.

    Args:
        channels: width c of the tokens.
        hidden: width d of embeddings and values.
        scale: divide logits by the root of their width; only forms with a softmax take it.
        factory: device and dtype.
    """

    scales = False

    def __init__(self, channels: int, hidden: int, scale: bool, **factory: Any) -> None:
        super().__init__()
        self.channels, self.hidden, self.scale = channels, hidden, scale

    @abstractmethod
    def g(self, x: Float[Tensor, "b n c"], keys: Float[Tensor, "b m c"]) -> Float[Tensor, "b n m"]:
        """The matrix A: row i holds the weights of query i."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "b n c"], keys: Float[Tensor, "b m c"], value: nn.Module
    ) -> Float[Tensor, "b n d"]:
        """A times the values of the keys, without A."""

    @staticmethod
    @abstractmethod
    def parameter_count(c: int, d: int) -> int:
        """Weights and biases of this form."""

    @staticmethod
    @abstractmethod
    def multiply_adds(n: int, m: int, c: int, d: int) -> int:
        """Multiply-adds of ``forward`` for one image."""


class Gaussian(Pairwise):
    """exp(x_i·x_j) over its row's sum; no weights of its own."""

    scales = True

    def g(self, x: Tensor, keys: Tensor) -> Tensor:
        """A from the features themselves."""
        return softmax_weights(x, keys, self._factor)

    def forward(self, x: Tensor, keys: Tensor, value: nn.Module) -> Tensor:
        """On a processor each pair once, where positions read themselves; else fused.

        The fused kernel asks for queries, keys and values of one width.  Rows add up to 1, so the
        features are averaged first and projected after.
        """
        if keys is x and _in_blocks(x):
            with exact(x):
                return symmetric_read(x, project(x, value), self._factor)
        keys = keys.contiguous()
        return project(softmax_read(x, keys, keys, self._factor), value)

    @property
    def _factor(self) -> float:
        return self.channels**-0.5 if self.scale else 1.0

    @staticmethod
    def parameter_count(c: int, d: int) -> int:
        """None."""
        return 0

    @staticmethod
    def multiply_adds(n: int, m: int, c: int, d: int) -> int:
        """Projection and reading; on a processor, where each pair is multiplied once."""
        if n == m:
            return n * c * d + symmetric.multiply_adds(n, c, d)
        return 2 * n * m * c + n * c * d


def _in_blocks(x: Tensor) -> bool:
    """Whether a loop over blocks is at home: GPUs and compilers have better kernels."""
    wide = x.dtype in (torch.float32, torch.float64)
    # ``meta`` counts as a processor, so that what is counted there is what would run.
    here = x.device.type in ("cpu", "meta")
    return wide and here and is_plain_eager()


class _Embedded(Pairwise):
    """Forms that compare theta(x_i) with phi(x_j)."""

    def __init__(self, channels: int, hidden: int, scale: bool, **factory: Any) -> None:
        super().__init__(channels, hidden, scale, **factory)
        self.theta = nn.Linear(channels, hidden, **factory)
        self.phi = nn.Linear(channels, hidden, **factory)

    @staticmethod
    def parameter_count(c: int, d: int) -> int:
        """Theta and phi."""
        return 2 * (c * d + d)


class EmbeddedGaussian(_Embedded):
    """exp(theta_i·phi_j) over its row's sum."""

    scales = True

    def g(self, x: Tensor, keys: Tensor) -> Tensor:
        """A from the embeddings."""
        return softmax_weights(project(x, self.theta), project(keys, self.phi), self._factor)

    def forward(self, x: Tensor, keys: Tensor, value: nn.Module) -> Tensor:
        """Fused: no row of A is ever kept."""
        q, k, v = project(x, self.theta), project(keys, self.phi), project(keys, value)
        return softmax_read(q, k, v, self._factor)

    @property
    def _factor(self) -> float:
        return self.hidden**-0.5 if self.scale else 1.0

    @staticmethod
    def multiply_adds(n: int, m: int, c: int, d: int) -> int:
        """Three projections, logits, reading."""
        return n * c * d + 2 * m * c * d + 2 * n * m * d


class DotProduct(_Embedded):
    """theta_i·phi_j over the number of keys."""

    def g(self, x: Tensor, keys: Tensor) -> Tensor:
        """A from the embeddings."""
        return dot_product_weights(project(x, self.theta), project(keys, self.phi))

    def forward(self, x: Tensor, keys: Tensor, value: nn.Module) -> Tensor:
        """Keys times values first: one matrix of d times d serves all queries."""
        q, k, v = project(x, self.theta), project(keys, self.phi), project(keys, value)
        return dot_product_read(q, k, v)

    @staticmethod
    def multiply_adds(n: int, m: int, c: int, d: int) -> int:
        """Three projections and the cheaper of the two orders."""
        return n * c * d + 2 * m * c * d + min((n + m) * d * d, 2 * n * m * d)


class Concatenation(_Embedded):
    """max(0, w·[theta_i; phi_j]) over the number of keys."""

    def __init__(self, channels: int, hidden: int, scale: bool, **factory: Any) -> None:
        super().__init__(channels, hidden, scale, **factory)
        self.score = nn.Linear(2 * hidden, 1, bias=False, **factory)

    def g(self, x: Tensor, keys: Tensor) -> Tensor:
        """A from one number for each query and one for each key."""
        if is_plain(self.score, nn.Linear):
            return concatenation_weights(*self.scores(x, keys))
        # What stands in the place of w may be anything: ask it about every pair.
        q, k = project(x, self.theta)[:, :, None], project(keys, self.phi)[:, None]
        pairs = torch.cat(torch.broadcast_tensors(q, k), dim=3)
        return self.score(pairs)[..., 0].relu() / keys.shape[1]

    def forward(self, x: Tensor, keys: Tensor, value: nn.Module) -> Tensor:
        """Sort the keys once, then look up where each query's threshold falls."""
        v = project(keys, value)
        if not is_plain(self.score, nn.Linear):
            return self.g(x, keys).to(v.dtype) @ v
        return concatenation_read(*self.scores(x, keys), v)

    def scores(self, x: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """One alpha a query and one beta a key: w meets theta and phi before the features do."""
        of_query, of_key = self.score.weight.chunk(2, dim=1)
        return _score(x, of_query, self.theta), _score(keys, of_key, self.phi)

    @staticmethod
    def parameter_count(c: int, d: int) -> int:
        """Theta, phi and w."""
        return _Embedded.parameter_count(c, d) + 2 * d

    @staticmethod
    def multiply_adds(n: int, m: int, c: int, d: int) -> int:
        """Folding w, scores, values, two products in the reading."""
        return 2 * d * (c + 1) + (n + m) * c + m * c * d + (n + m) * d


def _score(
    x: Float[Tensor, "b n c"], w: Float[Tensor, "1 d"], layer: nn.Module
) -> Float[Tensor, "b n"]:
    """``w @ layer(x)`` as one vector of c: d times fewer products."""
    if not is_plain(layer, nn.Linear):
        return (layer(x) @ w.mT)[:, :, 0]
    folded = w @ torch.cat([layer.weight, layer.bias[:, None]], dim=1)
    return (x @ folded[:, :-1].mT + folded[:, -1:])[:, :, 0]


#: Name in the constructor -> form.
MODES: dict[str, type[Pairwise]] = {
    "gaussian": Gaussian,
    "embedded_gaussian": EmbeddedGaussian,
    "dot_product": DotProduct,
    "concatenation": Concatenation,
}
