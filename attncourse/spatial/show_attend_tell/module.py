r"""The decoder of *Show, Attend and Tell* (Xu et al., 2015; key ``xu2015show``).

Equations, numbered as in the chapter ``spatial/show_attend_tell``; (9) to (14) are the training,
in ``policy.py``:

.. math::
    e_{t,i} &= f_{\text{att}}(a_i, h_{t-1})
        = v^\top \tanh(W_a a_i + W_h h_{t-1} + b_e)                              & (1)\\
    \alpha_{t,i} &= \exp(e_{t,i}) \big/ \textstyle\sum_j \exp(e_{t,j})            & (2)\\
    \hat z_t &= \beta_t \textstyle\sum_i \alpha_{t,i} a_i, \quad
        \beta_t = \sigma(w_\beta^\top h_{t-1} + b_\beta) \text{ or } 1           & (3)\\
    (u_t, k_t, o_t, n_t) &= (\sigma, \sigma, \sigma, \tanh)
        \bigl(W [E y_{t-1};\, h_{t-1};\, \hat z_t] + b_w\bigr)                   & (4)\\
    c_t &= k_t \odot c_{t-1} + u_t \odot n_t, \quad h_t = o_t \odot \tanh c_t    & (5)\\
    \psi_t &= U_o (E y_{t-1} + U_h h_t + U_z \hat z_t)                           & (6)\\
    h_0 &= \tanh(W_1 \bar a + b_1), \quad c_0 = \tanh(W_2 \bar a + b_2)          & (7)

========  =========  ================================================================
symbol    shape      meaning
========  =========  ================================================================
a         b n c      annotations: the features of n = h w positions
alpha     b t n      maps, one for each word: the attention g(x)
z-hat     b c        context of one word
h, c      b D        state and cell of the LSTM; u, k, o, n are its gates and what is new
y         b t        words of k; before the first one, E y is zero
psi       b t k      scores of the words
========  =========  ================================================================

*Soft* attention takes the mean (3) as it stands.  *Hard* attention draws one position from
alpha in training, so that alpha in (3) becomes one-hot, and takes the largest at test time.

Paper and code: the paper and the lecture call the gates i, f, o, g.  The paper's
:math:`f_{\text{att}}` adds a number to every score, which the softmax takes away again, so that it
never learns; it is left out here.  The paper has two MLPs in (7) and no nonlinearity around the
sum in (6); the authors' code ends (7) in a tanh, which is taken over, and puts a tanh into (6),
which is not.  Their code takes the mean at test time for a hard model too.  Here (6) has the
biases that PyTorch's layers have.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import lstm_step, whole


class Told(NamedTuple):
    """What one pass through the words gives.

    Attributes:
        logits: (b, t, k), scores of the words.
        weights: (b, t, n), the maps as they were used: means, or one-hot draws.
        log_weights: (b, t, n), logarithms of the softmax that they come from.
        drawn: (b, t), True where the map is a draw.
        states: (b, t, D), what the maps were decided from, without gradient.
    """

    logits: Tensor
    weights: Tensor
    log_weights: Tensor
    drawn: Tensor
    states: Tensor


class ShowAttendTell(Attention):
    r"""Say a fixed number of words, and for each of them look anew at a feature map.

    .. math:: \hat z_t = \sum_i \alpha_{t,i} a_i, \quad
              \alpha_t = \operatorname{softmax}_i f_{\text{att}}(a_i, h_{t-1}), \quad
              h_t = \operatorname{LSTM}(E y_{t-1}, h_{t-1}, \hat z_t)

    Source: Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel and Bengio, *Show, Attend and
    Tell: Neural Image Caption Generation with Visual Attention*, ICML 2015, arXiv 1502.03044.

    ``g(x)`` gives the maps, ``f(maps, x)`` says what is read with them; ``forward`` does both in
    one pass, with the largest score of each step as the next step's word.  ``tell`` takes the
    right words, and gives what the losses of :mod:`policy` need.

    Args:
        channels: number of channels c of the feature map.
        words: number of words k.
        steps: number of words t that are said.
        hidden: width of the scorer (1).
        width: width D of the state.
        embed: width of a word.
        gate: multiply the context by the scalar beta of (3).
        hard: draw one position in training, and take the largest weight in eval mode.
        mix: for ``hard``, the probability that a map stays the mean for one image and word.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, t, k)`, scores of the words
        - weights: :math:`(b, t, n)`, n = h w, in float32 at least

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> net = ShowAttendTell(32, words=10, steps=3)
        >>> scores, maps = net(torch.rand(2, 32, 3, 3), need_weights=True)
        >>> scores.shape, maps.shape
        (torch.Size([2, 3, 10]), torch.Size([2, 3, 9]))
    """

    def __init__(
        self,
        channels: int,
        words: int = 10,
        *,
        steps: int = 3,
        hidden: int = 64,
        width: int = 64,
        embed: int = 16,
        gate: bool = False,
        hard: bool = False,
        mix: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.words, self.steps = channels, words, steps
        self.hidden, self.width, self.embed = hidden, width, embed
        self.hard, self.mix = hard, mix
        self._validate_arguments()
        factory: Any = {"device": device, "dtype": dtype}
        self.key = nn.Linear(channels, hidden, **factory)
        self.query = nn.Linear(width, hidden, bias=False, **factory)
        self.score = nn.Linear(hidden, 1, bias=False, **factory)
        self.gate = nn.Linear(width, 1, **factory) if gate else None
        self.first_state = nn.Linear(channels, width, **factory)
        self.first_cell = nn.Linear(channels, width, **factory)
        self.embedding = nn.Embedding(words, embed, **factory)
        self.lstm = nn.Linear(embed + width + channels, 4 * width, **factory)
        self.from_state = nn.Linear(width, embed, **factory)
        self.from_context = nn.Linear(channels, embed, bias=False, **factory)
        self.answer = nn.Linear(embed, words, **factory)

    def reset_parameters(self) -> None:
        """Draw every layer anew from PyTorch's default."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def log_weights(self, keys: Tensor, state: Tensor) -> Tensor:
        """Equations (1) and (2): logarithms of the weights, (b, n), in float32 at least."""
        scores = self.score(torch.tanh(keys + self.query(state)[:, None])).squeeze(-1)
        return scores.to(torch.promote_types(scores.dtype, torch.float32)).log_softmax(dim=1)

    def choose(self, log_weights: Tensor) -> tuple[Tensor, Tensor]:
        """The map that is used, (b, n), and for each image whether it is a draw."""
        soft = log_weights.exp()
        kept = torch.zeros_like(soft[:, 0], dtype=torch.bool)
        if not self.hard:
            return soft, kept
        if not self.training:
            place = soft.argmax(dim=1, keepdim=True)
            return torch.zeros_like(soft).scatter(1, place, 1.0), kept
        place = torch.multinomial(soft.detach(), 1)
        one_hot = torch.zeros_like(soft).scatter(1, place, 1.0)
        kept = torch.rand_like(soft[:, 0]) < self.mix
        return torch.where(kept[:, None], soft, one_hot), ~kept

    def context(self, weights: Tensor, values: Tensor, state: Tensor) -> Tensor:
        """Equation (3): z-hat (b, c)."""
        context = (weights[:, None].to(values.dtype) @ values).squeeze(1)
        return context if self.gate is None else torch.sigmoid(self.gate(state)) * context

    def first(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Equation (7): state and cell before the first word, from the mean annotation."""
        mean = values.mean(dim=1)
        return torch.tanh(self.first_state(mean)), torch.tanh(self.first_cell(mean))

    def step(
        self, word: Tensor, context: Tensor, state: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Equations (4) to (6): scores, state and cell after one word."""
        together = self.lstm(torch.cat([word, state, context], dim=1))
        state, cell = lstm_step(together.chunk(4, dim=1), cell)
        return self.answer(word + self.from_state(state) + self.from_context(context)), state, cell

    def tell(
        self,
        x: Float[Tensor, "b c h w"],
        caption: Int[Tensor, "b t"] | None = None,
        weights: Float[Tensor, "b t n"] | None = None,
    ) -> Told:
        """Say all words; with ``caption`` each step hears the right word before it.

        Args:
            x: the feature map.
            caption: the right words, or ``None`` to go on from the own ones.
            weights: maps to read with, in place of the own ones.
        """
        values = x.flatten(2).mT
        keys = self.key(values)  # once for all words
        state, cell = self.first(values)
        word = state.new_zeros(x.shape[0], self.embed)
        steps = []
        for t in range(self.steps):
            log_weights = self.log_weights(keys, state)
            used, drawn = self.choose(log_weights)
            if weights is not None:
                used = weights[:, t]
            before, context = state.detach(), self.context(used, values, state)
            logits, state, cell = self.step(word, context, state, cell)
            steps.append((logits, used, log_weights, drawn, before))
            word = self.embedding(logits.argmax(dim=1) if caption is None else caption[:, t])
        return Told(*(torch.stack(parts, dim=1) for parts in zip(*steps, strict=True)))

    def g(self, x: Tensor) -> Tensor:
        """The maps, (b, t, n)."""
        return self.tell(x).weights

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The scores, (b, t, k), of the words that are read with the given maps."""
        return self.tell(x, weights=weights).logits

    def forward(self, x: Tensor, need_weights: bool = False) -> Any:
        """The scores, with the maps if asked for."""
        self.validate(x)
        told = self.tell(x)
        return (told.logits, told.weights) if need_weights else told.logits

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        own = (
            ("words", self.words, 10), ("steps", self.steps, 3), ("hidden", self.hidden, 64),
            ("width", self.width, 64), ("embed", self.embed, 16),
            ("gate", self.gate is not None, False), ("hard", self.hard, False),
            ("mix", self.mix, 0.0),
        )  # fmt: skip
        return ", ".join([str(self.channels), *(f"{n}={v}" for n, v, d in own if v != d)])

    def _validate_arguments(self) -> None:
        """Raise a ``ValueError`` for a decoder that cannot be built."""
        names = ("channels", "words", "steps", "hidden", "width", "embed")
        whole(**{name: getattr(self, name) for name in names})
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix={self.mix} is a probability: choose it from 0 to 1")


def parameter_count(
    channels: int,
    words: int = 10,
    *,
    hidden: int = 64,
    width: int = 64,
    embed: int = 16,
    gate: bool = False,
    **costless: object,
) -> int:
    """The decoder's parameters; neither the size of the map nor the number of steps enters."""
    scorer = (channels + 1) * hidden + width * hidden + hidden
    lstm = 4 * width * (embed + width + channels + 1)
    start = 2 * (channels + 1) * width
    output = embed * (width + 1 + channels) + words * (2 * embed + 1)
    return scorer + (width + 1) * gate + lstm + start + output


def multiply_adds(
    height: int,
    width_of_x: int,
    channels: int,
    words: int = 10,
    *,
    steps: int = 3,
    hidden: int = 64,
    width: int = 64,
    embed: int = 16,
    gate: bool = False,
    **costless: object,
) -> int:
    """Multiply-adds of one feature map: keys once, all else for each word."""
    positions = height * width_of_x
    once = positions * channels * (hidden + 1) + 2 * channels * width
    scorer = width * hidden + positions * hidden
    lstm = 4 * width * (embed + width + channels) + 3 * width
    output = embed * (width + channels + words)
    each = scorer + positions * channels + lstm + output + (width + channels) * gate
    return once + steps * each


CARD = Card(
    stem="show_attend_tell",
    title="Hard and soft attention",
    category="spatial",
    module=ShowAttendTell,
    key="xu2015show",
    authors="Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel, Bengio",
    venue="ICML",
    year=2015,
    decides="αₜ = softmaxᵢ(vᵀ tanh(Wₐaᵢ + Wₕhₜ₋₁))",
    applies="hₜ = LSTM(Eyₜ₋₁, hₜ₋₁, ẑₜ), ẑₜ = Σᵢ αₜᵢ aᵢ",
    weights="b t n",
    parameters=parameter_count,
    parameters_formula="A(C + D + 2) + 4D(m + D + C + 1) + 2D(C + 1) + m(D + C + 1) + K(2m + 1)",
    macs=multiply_adds,
    macs_formula="NC(A + 1) + 2CD + T(AD + N(A + C) + 4D(m + D + C) + 3D + m(D + C + K))",
    memory="the maps, T N",
    growth="N",
    drop_in=False,
)
