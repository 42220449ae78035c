r"""SCA-CNN (Chen, Zhang, Xiao, Nie, Shao, Liu and Chua, 2017; key ``chen2017sca``).

Equations, numbered as in the chapter ``channel_spatial/sca_cnn``:

.. math::
    e_i &= w_\alpha^\top \tanh(W_s x_i + b_s + W_{hs} h)                            & (1)\\
    \alpha &= \operatorname{softmax}_i(e)                                           & (2)\\
    x'_i &= N\, \alpha_i\, x_i                                                      & (3)\\
    v_c &= \tfrac1N \textstyle\sum_i x_{c,i}                                        & (4)\\
    \beta &= \operatorname{softmax}_c\bigl(
        w_\beta^\top \tanh(w_c v_c + b_c + W_{hc} h)\bigr)                          & (5)\\
    x'_c &= C\, \beta_c\, x_c                                                       & (6)

x' is what the first of the two gives.  The order C-S takes (4) to (6) first and (1) to (3) of what
comes out, the order S-C the reverse:

.. math::
    \text{C-S:}\quad y_{c,i} &= N\,\alpha_i(h, x')\; C\,\beta_c(h, x)\; x_{c,i}     & (7)\\
    \text{S-C:}\quad y_{c,i} &= C\,\beta_c(h, x')\; N\,\alpha_i(h, x)\; x_{c,i}     & (8)

==============  ========  ================================================================
symbol          shape     meaning
==============  ========  ================================================================
x               b c h w   map; x_i its vector at position i of N = n, x_c its channel c of C = c
h               b D       question: the state of a decoder, or whatever asks
e, alpha        b n       scores and weights of the positions: where
v               b c       mean of each channel
beta            b c       weights of the channels: what
W_s, b_s        A c, A    what a position shows, in A hidden units
w_c, b_c        A, A      what a mean shows: the same for every channel
W_hs, W_hc      A D       what the question adds to the units
w_alpha, w_beta A         from the units to a score
y               as x      output
==============  ========  ================================================================

Paper, authors' code and default here:

* The paper has no factors N and C in (3) and (6).  The authors' code multiplies by both, so that
  equal weights leave the map as it is; ``rescale=True`` follows the code, False the paper.
* The paper adds a number to every score of (1) and of (5).  The softmax takes it away again, so
  that it never learns; it is left out here.  Their code misplaces it in one layer.
* ``order="CS"`` is what their code has; the paper defines both.
* The paper's question is the state of an LSTM.  Where none is given, the block here asks a
  question of its own, D learned numbers that start at zero.
* Their code draws weights of spread 0.01, and square matrices orthogonal, such as W_s of their
  first layer; here all start from PyTorch's default.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import scale, squeeze
from attncourse.layers import accepted, whole
from attncourse.precision import softmax
from attncourse.spatial.global_context import pooled

#: Which attention comes first; one letter alone leaves the other one out.
ORDERS = ("CS", "SC", "C", "S")


def rescaled(weights: Float[Tensor, "b m"], by_count: bool = True) -> Float[Tensor, "b m"]:
    """The factors of (3) and (6): weights times how many they are, so that equal ones are 1."""
    return weights * weights.shape[1] if by_count else weights


class Scorer(nn.Module):
    """Equations (1) and (5): a score for each of many vectors, asked by one question.

    Args:
        given: width of each vector: c for positions, 1 for the means of channels.
        state: width D of the question.
        hidden: number A of hidden units.
        factory: device and dtype.
    """

    def __init__(self, given: int, state: int, hidden: int, **factory: Any) -> None:
        super().__init__()
        self.look = nn.Linear(given, hidden, **factory)
        self.ask = nn.Linear(state, hidden, bias=False, **factory)
        self.score = nn.Linear(hidden, 1, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Draw the three layers anew."""
        for layer in (self.look, self.ask, self.score):
            layer.reset_parameters()

    def answered(self, looks: Tensor, question: Tensor) -> Tensor:
        """Scores (b, m) of hidden units (b, m, A) that are not yet asked."""
        asked = self.ask(accepted(self.ask, question))
        return self.score(torch.tanh(looks + asked[:, None]))[:, :, 0]

    def forward(
        self, vectors: Float[Tensor, "b m c"], question: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b m"]:
        """The scores."""
        return self.answered(self.look(accepted(self.look, vectors)), question)


class SpatialChannelAttention(Attention):
    r"""Weigh the positions and the channels of a map as a question asks.

    .. math:: y_{c,i} = N\,\alpha_i\; C\,\beta_c\; x_{c,i}, \qquad
        \alpha = \operatorname{softmax}_i\, w_\alpha^\top \tanh(W_s x_i + b_s + W_{hs} h), \quad
        \beta = \operatorname{softmax}_c\, w_\beta^\top \tanh(w_c v_c + b_c + W_{hc} h)

    Source: Chen, Zhang, Xiao, Nie, Shao, Liu and Chua, *SCA-CNN: Spatial and Channel-wise
    Attention in Convolutional Networks for Image Captioning*, CVPR 2017, arXiv 1611.05594.

    The second of the two looks at the map that the first one has weighed.  Every call may bring a
    question for each image, ``block(x, state=h)``; without one the block asks its own.

    Args:
        channels: number of channels c of the map.
        hidden: number A of hidden units of each scorer.
        state: width D of the question.
        order: ``"CS"``, channels first, ``"SC"``, positions first, or ``"C"`` or ``"S"`` alone.
        rescale: multiply the weights by how many they are, as in the authors' code.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - state: :math:`(b, D)`
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, n)` and :math:`(b, c)`, in float32 at least; each adds up to 1, and
          what is left out has equal weights

    Raises:
        ValueError: if an argument is impossible, or if ``x`` or ``state`` does not fit.

    Examples:
        >>> block = SpatialChannelAttention(64, hidden=32, state=10)
        >>> y, (where, what) = block(torch.randn(2, 64, 8, 6), True, state=torch.randn(2, 10))
        >>> y.shape, where.shape, what.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 48]), torch.Size([2, 64]))
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 64,
        state: int = 64,
        *,
        order: str = "CS",
        rescale: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked(channels, hidden, state, order)
        self.channels, self.hidden, self.state = channels, hidden, state
        self.order, self.rescale = order, rescale
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.question = nn.Parameter(torch.zeros(state, **factory))
        self.where = Scorer(channels, state, hidden, **factory) if "S" in order else None
        self.what = Scorer(1, state, hidden, **factory) if "C" in order else None

    def reset_parameters(self) -> None:
        """Draw both scorers anew, and ask nothing."""
        nn.init.zeros_(self.question)
        for scorer in (self.where, self.what):
            if scorer is not None:
                scorer.reset_parameters()

    def validate(self, x: Tensor, state: Tensor | None = None) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) and ``state`` (b, D)."""
        validate_features(x, self.channels)
        if state is not None and state.shape != (len(x), self.state):
            raise ValueError(
                f"state has the shape {tuple(state.shape)}, but {len(x)} images need "
                f"({len(x)}, {self.state}): give one question for each image, of the width that "
                f"the block was built for, state={self.state}"
            )

    def forward(self, x: Tensor, need_weights: bool = False, *, state: Tensor | None = None) -> Any:
        """The weighed map, with both weights if asked for.

        Args:
            x: the map.
            need_weights: also return ``g(x, state)``.
            state: a question for each image, or ``None`` for the block's own.
        """
        self.validate(x, state)
        weights = self.g(x, state)
        y = self.f(weights, x)
        return (y, weights) if need_weights else y

    def g(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The weights of positions (b, n) and of channels (b, c)."""
        h = self.question.expand(x.shape[0], -1) if state is None else state
        alpha, beta = _equal(x[:, 0].flatten(1)), _equal(x[:, :, 0, 0])
        if self.order == "SC":
            alpha = self._where(x, h)
            return alpha, self._what(self.read(alpha, x), h)
        if self.what is not None:
            beta = self._what(squeeze(x), h)
        if self.where is not None:
            alpha = self._where(self._channels_weighed(beta, x), h)
        return alpha, beta

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """Equation (7) or (8), (b, c, h, w); what is left out of the order is not applied."""
        alpha, beta = weights
        y = self._channels_weighed(beta, x)
        if self.where is None:
            return y
        return y * rescaled(alpha, self.rescale).to(x.dtype).view(-1, 1, *x.shape[2:])

    def read(self, alpha: Tensor, x: Tensor) -> Tensor:
        """Channel means (4) of the map that (3) gives, (b, c), without that map."""
        sums = pooled(alpha, x)
        return sums if self.rescale else sums / alpha.shape[1]

    def tell(
        self, x: Float[Tensor, "b c h w"], states: Float[Tensor, "b t d"]
    ) -> Float[Tensor, "b t c"]:
        """Equation (9): the channel means of y for many questions about each map.

        The output is not built.  In S-C and S no weighed map is built at all, and what the
        positions show is computed once; in C the means are; in C-S each question pays in full.
        """
        (b, t), x = states.shape[:2], x.flatten(2)
        if self.order == "CS":
            maps = x[:, None].expand(b, t, *x.shape[1:]).flatten(0, 1)[..., None]
            alpha, beta = self.g(maps, states.flatten(0, 1))
            means = self.read(alpha, maps).view(b, t, -1)
        else:
            means = x.mean(dim=2)[:, None].expand(b, t, -1)
            if self.where is not None:
                looks = self.where.look(accepted(self.where.look, x.mT))
                logits = [self.where.answered(looks, h) for h in states.unbind(1)]
                alpha = softmax(torch.stack(logits, dim=1), dim=2)
                means = (alpha.to(x.dtype) @ x.mT) / (1 if self.rescale else x.shape[2])
            if self.what is not None:
                beta = self._what(means.flatten(0, 1), states.flatten(0, 1))
        if self.what is None:
            return means
        return means * rescaled(beta, self.rescale).view_as(means).to(x.dtype)

    def _channels_weighed(self, beta: Tensor, x: Tensor) -> Tensor:
        """Equation (6), or the map as it is where positions alone are weighed."""
        return x if self.what is None else scale(rescaled(beta, self.rescale).to(x.dtype), x)

    def _where(self, x: Tensor, h: Tensor) -> Tensor:
        """Equations (1) and (2), (b, n)."""
        assert self.where is not None
        return softmax(self.where(x.flatten(2).mT, h), dim=1)

    def _what(self, means: Tensor, h: Tensor) -> Tensor:
        """Equation (5), (b, c)."""
        assert self.what is not None
        return softmax(self.what(means[:, :, None], h), dim=1)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        own = (
            ("hidden", self.hidden, 64), ("state", self.state, 64), ("order", self.order, "CS"),
            ("rescale", self.rescale, True),
        )  # fmt: skip
        return ", ".join([str(self.channels), *(f"{n}={v}" for n, v, d in own if v != d)])


def _equal(x: Tensor) -> Tensor:
    """Equal weights of the shape of ``x``, in float32 at least."""
    return torch.full_like(x, 1 / x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))


def checked(channels: int, hidden: int, state: int, order: str) -> None:
    """Raise a ``ValueError`` for a block that cannot be built."""
    sizes = {"channels": channels, "hidden": hidden, "state": state}
    whole(**sizes)
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if order not in ORDERS:
        raise ValueError(f"order={order!r} is unknown: choose one of {', '.join(ORDERS)}")


def parameter_count(
    channels: int, hidden: int = 64, state: int = 64, *, order: str = "CS", rescale: bool = True
) -> int:
    """Learned parameters; those of the channel scorer do not depend on the channels."""
    checked(channels, hidden, state, order)
    where = hidden * (channels + state + 2) if "S" in order else 0
    what = hidden * (state + 3) if "C" in order else 0
    return where + what + state


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    hidden: int = 64,
    state: int = 64,
    *,
    order: str = "CS",
    rescale: bool = True,
) -> int:
    """Multiply-adds for one map and one question."""
    checked(channels, hidden, state, order)
    n = height * width
    where = hidden * (n * (channels + 1) + state) if "S" in order else 0
    what = hidden * (2 * channels + state) if "C" in order else 0
    passes = {"CS": 4, "SC": 3, "C": 2, "S": 1}[order]
    return where + what + passes * channels * n


CARD = Card(
    stem="sca_cnn",
    title="SCA-CNN",
    category="channel_spatial",
    module=SpatialChannelAttention,
    key="chen2017sca",
    authors="Chen, Zhang, Xiao, Nie, Shao, Liu, Chua",
    venue="CVPR",
    year=2017,
    decides="β = softmax(w_βᵀ tanh(w_c v_c + W_hc h)), α = softmax(w_αᵀ tanh(W_s xᵢ + W_hs h))",
    applies="y = N α ⊙ C β ⊙ x",
    weights="b n, b c",
    parameters=parameter_count,
    parameters_formula="A(C + 2D + 5) + D",
    macs=multiply_adds,
    macs_formula="A(N(C + 1) + 2C + 2D) + 4CN",
    memory="A hidden units for each position and channel",
    growth="CN",
)
