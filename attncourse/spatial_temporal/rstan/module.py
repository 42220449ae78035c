r"""RSTAN, a recurrent network with spatial-temporal attention (Du et al., 2018; ``du2018rstan``).

Equations, numbered as in the chapter ``spatial_temporal/rstan``, for every step s, with
:math:`h_0 = c_0 = 0`:

.. math::
    e_{s,t,i} &= v^\top \tanh(W_h h_{s-1} + W_x x_{t,i} + b)                          & (1)\\
    \alpha_{s,t,i} &= \exp(e_{s,t,i}) \big/ \textstyle\sum_j \exp(e_{s,t,j})          & (2)\\
    u_{s,t} &= \textstyle\sum_i \alpha_{s,t,i}\, x_{t,i}                              & (3)\\
    \epsilon_{s,t} &= w^\top \tanh(U_h h_{s-1} + U_u u_{s,t} + b_U)                   & (4)\\
    \gamma_{s,t} &= \exp(\epsilon_{s,t}) \big/ \textstyle\sum_r \exp(\epsilon_{s,r})  & (5)\\
    z_s &= \textstyle\sum_t \gamma_{s,t}\, u_{s,t}                                    & (6)\\
    (h_s, c_s) &= \mathrm{LSTM}(z_s, h_{s-1}, c_{s-1})                                & (7)\\
    \psi_s &= W_\psi h_s + b_\psi                                                     & (8)

========  =========  ==================================================================
symbol    shape      meaning
========  =========  ==================================================================
x         b c t h w  features of a clip: t frames of n = h w positions
alpha     b s t n    place weights, one softmax a frame: *where*
gamma     b s t      frame weights, one softmax a step: *when*
u         b s t c    each frame as it is read at this step
z         b s c      the clip as it is read at this step
h, c      b d        state and cell of the LSTM
psi       b s k      scores of k classes at each step
========  =========  ==================================================================

What the abstract fixes: at each step of an LSTM, attention over places and frames of all sampled
frames, for the prediction of that step.  **The form of (1) to (8) is ours in that spirit**: we
had no access to the paper's own equations, and know of no code of the authors.  Left out are the
fusion of an appearance and a motion network, and the features of a convolutional network.

``flat=True`` leaves (4) out, and weighs frames by :math:`\epsilon_{s,t} = \ln \sum_i
\exp(e_{s,t,i})`, which makes (2) and (5) together one softmax over all places of all frames.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.layers import accepted, lstm_step, positive
from attncourse.precision import exact
from attncourse.spatial_temporal.rstan.costs import (
    multiply_adds,
    parameter_count,
    validate_clips,
)
from attncourse.spatial_temporal.rstan.scorers import (
    frame_weights,
    gathered,
    place_weights,
    read,
    scores,
    totals,
)


class Told(NamedTuple):
    """What one pass over the steps gives.

    Attributes:
        scores: (b, s, k), of the classes at every step.
        alpha: (b, s, t, n), place weights.
        gamma: (b, s, t), frame weights.
        states: (b, s, d), the state *before* each step, from which it looks.
    """

    scores: Tensor
    alpha: Tensor
    gamma: Tensor
    states: Tensor


class RecurrentSpatialTemporal(Attention):
    r"""Look over a whole clip at every step of an LSTM, and choose places and frames by its state.

    .. math:: z_s = \sum_t \gamma_{s,t} \sum_i \alpha_{s,t,i}\, x_{t,i}, \qquad
              (h_s, c_s) = \operatorname{LSTM}(z_s, h_{s-1}, c_{s-1})

    Source: Du, Wang and Qiao, *Recurrent Spatial-Temporal Attention Network for Action
    Recognition in Videos*, IEEE Transactions on Image Processing 27(3), 2018,
    doi 10.1109/TIP.2017.2778563.

    ``g(x)`` gives the weights of all steps, ``f(weights, x)`` says what is read with them;
    ``forward`` does both in one pass.

    Args:
        channels: number of channels c of the features.
        classes: number of classes k.
        steps: steps s of the LSTM; any number may be given anew in a call of :meth:`tell`.
        hidden: width a of both scorers.
        width: width d of the state.
        flat: one softmax over all places of all frames, in place of two.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, t, h, w)`, any number of frames and positions
        - y: :math:`(b, s, k)`, scores of the classes at every step
        - weights: :math:`(b, s, t, n)`, adding up to 1 over the n = h w positions, and
          :math:`(b, s, t)`, adding up to 1 over frames; both in float32 at least

    Raises:
        ValueError: if a size is less than 1, or if ``x`` does not fit.

    Examples:
        >>> net = RecurrentSpatialTemporal(32, classes=10, steps=3)
        >>> y, (alpha, gamma) = net(torch.rand(2, 32, 6, 2, 2), need_weights=True)
        >>> y.shape, alpha.shape, gamma.shape
        (torch.Size([2, 3, 10]), torch.Size([2, 3, 6, 4]), torch.Size([2, 3, 6]))
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        steps: int = 3,
        hidden: int = 64,
        width: int = 64,
        flat: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(channels=channels, classes=classes, steps=steps, hidden=hidden, width=width)
        self.channels, self.classes, self.steps = channels, classes, steps
        self.hidden, self.width, self.flat = hidden, width, flat
        factory: Any = {"device": device, "dtype": dtype}
        self.key = nn.Linear(channels, hidden, **factory)
        self.query = nn.Linear(width, hidden, bias=False, **factory)
        self.score = nn.Linear(hidden, 1, bias=False, **factory)
        if not flat:
            self.frame_key = nn.Linear(channels, hidden, **factory)
            self.frame_query = nn.Linear(width, hidden, bias=False, **factory)
            self.frame_score = nn.Linear(hidden, 1, bias=False, **factory)
        self.lstm = nn.Linear(channels + width, 4 * width, **factory)
        self.answer = nn.Linear(width, classes, **factory)

    def reset_parameters(self) -> None:
        """Draw every layer anew from PyTorch's default."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, t, h, w), t, h and w at least 1."""
        validate_clips(x, self.channels)

    def asking(self, state: Tensor, step: int) -> Tensor:
        """What the scorers ask with at ``step``, (b, d): the state before it."""
        del step
        return state

    def look(
        self, keys: Float[Tensor, "b t n a"], values: Float[Tensor, "b t n c"], asked: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Equations (1) to (5): alpha, (b, t, n), gamma, (b, t), and u, (b, t, c)."""
        e = scores(keys, self.query(asked), self.score)
        alpha = place_weights(e)
        u = gathered(alpha, values)
        if self.flat:
            return alpha, frame_weights(totals(e)), u
        of_frames = scores(self.frame_key(u), self.frame_query(asked), self.frame_score)
        return alpha, frame_weights(of_frames), u

    def step(self, z: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Equation (7): state and cell after reading ``z``."""
        return lstm_step(self.lstm(torch.cat([z, state], dim=1)).chunk(4, dim=1), cell)

    def tell(
        self,
        x: Float[Tensor, "b c t h w"],
        weights: tuple[Tensor, Tensor] | None = None,
        steps: int | None = None,
    ) -> Told:
        """Run all steps.

        Args:
            x: features of a clip.
            weights: alpha and gamma to read with, in place of the own ones.
            steps: how many, in place of the number that the network was built for.
        """
        with exact(x):  # a recurrence carries its rounding errors along
            values = accepted(self.key, x.flatten(3).movedim(1, 3))
            keys = self.key(values)  # once for all steps
            state = cell = values.new_zeros(x.shape[0], self.width)
            parts = []
            for s in range(self.steps if steps is None else steps):
                if weights is None:
                    alpha, gamma, u = self.look(keys, values, self.asking(state, s))
                else:
                    alpha, gamma = weights[0][:, s], weights[1][:, s]
                    u = gathered(alpha, values)
                before = state
                state, cell = self.step(read(gamma, u), state, cell)
                parts.append((self.answer(state), alpha, gamma, before))
            y, *rest = (torch.stack(part, dim=1) for part in zip(*parts, strict=True))
            return Told(y.to(x.dtype), *rest)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The place weights, (b, s, t, n), and the frame weights, (b, s, t)."""
        told = self.tell(x)
        return told.alpha, told.gamma

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """The scores, (b, s, k), of what is read with the given weights."""
        return self.tell(x, weights=weights).scores

    def forward(self, x: Tensor, need_weights: bool = False) -> Any:
        """The scores, with both weights if asked for."""
        self.validate(x)
        told = self.tell(x)
        return (told.scores, (told.alpha, told.gamma)) if need_weights else told.scores

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [f"{self.channels}, classes={self.classes}"]
        for name, default in (("steps", 3), ("hidden", 64), ("width", 64), ("flat", False)):
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


CARD = Card(
    stem="rstan",
    title="RSTAN",
    category="spatial_temporal",
    module=RecurrentSpatialTemporal,
    key="du2018rstan",
    authors="Du, Wang, Qiao",
    venue="IEEE TIP",
    year=2018,
    decides="αₛₜ = softmaxᵢ(vᵀ tanh(Wₕhₛ₋₁ + Wₓxₜᵢ)), γₛ = softmaxₜ(wᵀ tanh(Uₕhₛ₋₁ + Uᵤuₛₜ))",
    applies="hₛ = LSTM(zₛ, hₛ₋₁), zₛ = Σₜ γₛₜ uₛₜ, uₛₜ = Σᵢ αₛₜᵢ xₜᵢ",
    weights="b s t n, b s t",
    parameters=parameter_count,
    parameters_formula="2A(C + D + 2) + 4D(C + D + 1) + K(D + 1)",
    macs=multiply_adds,
    macs_formula="TNCA + S(2AD + TN(A + C) + TA(C + 1) + TC + 4D(C + D) + 3D + KD)",
    memory="the keys, TNA, and the weights, S T(N + 1)",
    growth="N",
    drop_in=False,
    input="b c t h w",
)
