r"""STA-LSTM, spatio-temporal attention for skeletons (Song et al., 2017; key ``song2017end``).

Equations, numbered as in the chapter ``spatial_temporal/sta_lstm``, for every frame t:

.. math::
    h_t &= \mathrm{LSTM}(x_t, h_{t-1}), \qquad h_0 = 0                                   & (1)\\
    \alpha_t &= \mathrm{softmax}\bigl(U \tanh(W_x x_t + W_h h^s_{t-1} + b) + b_U\bigr)   & (2)\\
    \tilde x_{t,k} &= K\, \alpha_{t,k}\, x_{t,k}                                         & (3)\\
    \beta_t &= \delta\bigl(w_x^\top x_t + w_h^\top h^p_{t-1} + b_w\bigr)                 & (4)\\
    o &= \frac1T \sum_t \beta_t\, z_t, \qquad z_t = W_z h_t + b_z                        & (5)

Three LSTMs run over the frames: :math:`h^s` and :math:`h^p` read the skeleton as it is and serve
the two gates; the main one, :math:`h`, reads the gated skeleton.

========  ===========  ==================================================================
symbol    shape        meaning
========  ===========  ==================================================================
x         b t k 3      joints of a skeleton, frame by frame; 3 may be ``coordinates``
h^s, h^p  b t u        memories of the two gates, u = ``gate_hidden``
alpha     b t k        joint gates, one softmax a frame: *where*
beta      b t          frame gates, not negative and not normalised: *when*
h         b t d        memory of the main network, d = ``hidden``
z         b t n        its class scores, frame by frame
o         b n          class scores of the clip: the output f(g(x), x)
========  ===========  ==================================================================

No code of the authors is known.  Two factors are not in their equations: K in (3), which ports
add, and 1/T in (5).  With K, gates that do not choose leave the skeleton as it is; with 1/T,
scores do not grow with the length of the clip.  Both are the default; ``rescale=False`` and
``average=False`` turn them off.  The main network has one layer here, the authors' has several.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.layers import accepted, is_plain
from attncourse.precision import exact, softmax
from attncourse.spatial_temporal.sta_lstm.costs import (
    check_sizes,
    multiply_adds,
    parameter_count,
    validate_clips,
)
from attncourse.spatial_temporal.sta_lstm.memory import Memory, before


def joint_gates(
    x: Float[Tensor, "b t e"],
    past: Float[Tensor, "b t u"],
    look: nn.Module,
    recall: nn.Module,
    score: nn.Module,
) -> Float[Tensor, "b t k"]:
    """Equation (2): one softmax over the joints of each frame, in float32 at least.

    ``look`` holds W_x and b, ``recall`` W_h, ``score`` U and b_U.
    """
    with exact(x):
        hidden = torch.tanh(look(accepted(look, x)) + recall(accepted(recall, past)))
        return softmax(score(accepted(score, hidden)), dim=2)


def gated(
    alpha: Float[Tensor, "b t k"], x: Float[Tensor, "b t k d"], rescale: bool = True
) -> Float[Tensor, "b t k*d"]:
    """Equation (3): every coordinate of joint k times the one gate of joint k."""
    factor = x.shape[2] if rescale else 1
    return ((factor * alpha)[..., None] * x).flatten(2)


def frame_gates(
    x: Float[Tensor, "b t e"], past: Float[Tensor, "b t u"], look: nn.Module, recall: nn.Module
) -> Float[Tensor, "b t"]:
    """Equation (4): a ReLU for each frame, not normalised over time.

    ``look`` holds w_x and b_w, ``recall`` w_h.
    """
    with exact(x):
        scores = look(accepted(look, x)) + recall(accepted(recall, past))
        return F.relu(scores).squeeze(2)


def weighted_readout(
    beta: Float[Tensor, "b t"],
    h: Float[Tensor, "b t u"],
    w: Float[Tensor, "n u"],
    bias: Float[Tensor, " n"],
) -> Float[Tensor, "b n"]:
    """Equation (5) without 1/T, with the readout taken out of the sum: it is linear."""
    return F.linear((beta[:, None] @ h)[:, 0], w) + beta.sum(dim=1, keepdim=True) * bias


class SpatioTemporalLSTM(Attention):
    r"""Gate the joints of each frame in front of an LSTM, and its frames behind it.

    .. math:: o = \frac1T \sum_t \beta_t\, z_t(K \alpha \odot x)

    Source: Song, Lan, Xing, Zeng and Liu, *An End-to-End Spatio-Temporal Attention Model for
    Human Action Recognition from Skeleton Data*, AAAI 2017, arXiv 1611.06067.

    All clips of a batch have one length, and there is no mask: frames that pad a clip are read as
    frames.  Put clips of equal length into a batch, or cut and resample them to one.

    Args:
        joints: number of joints k.
        classes: number of classes n.
        coordinates: numbers a joint, 3 in space.
        hidden: units of the main LSTM.
        gate_hidden: units of each gate's LSTM, and of the joint gate's hidden layer.
        where: build the joint gate; without it every joint has the weight 1/k.
        when: build the frame gate; without it every frame has the weight 1.
        rescale: multiply the joint gates by k, so that gates that do not choose change nothing.
        average: divide the sum over frames by their number.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, t, k, d)` with d coordinates, any number of frames
        - y: :math:`(b, n)`, the scores of the classes
        - weights: :math:`(b, t, k)`, adding up to 1 over joints, and :math:`(b, t)`, at least 0

    Raises:
        ValueError: if a size is less than 1, or if ``x`` does not fit.

    Examples:
        >>> net = SpatioTemporalLSTM(joints=20, classes=10, hidden=32, gate_hidden=16)
        >>> scores, (alpha, beta) = net(torch.randn(2, 24, 20, 3), need_weights=True)
        >>> scores.shape, alpha.shape, beta.shape
        (torch.Size([2, 10]), torch.Size([2, 24, 20]), torch.Size([2, 24]))
    """

    def __init__(
        self,
        joints: int,
        classes: int,
        *,
        coordinates: int = 3,
        hidden: int = 100,
        gate_hidden: int = 100,
        where: bool = True,
        when: bool = True,
        rescale: bool = True,
        average: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_sizes(joints, classes, coordinates, hidden, gate_hidden)
        self.joints, self.classes, self.coordinates = joints, classes, coordinates
        self.hidden, self.gate_hidden = hidden, gate_hidden
        self.where, self.when, self.rescale, self.average = where, when, rescale, average
        factory: Any = {"device": device, "dtype": dtype}
        inputs, units = joints * coordinates, gate_hidden
        if where:
            self.joint_memory = Memory(inputs, units, **factory)
            self.joint_look = nn.Linear(inputs, units, **factory)
            self.joint_recall = nn.Linear(units, units, bias=False, **factory)
            self.joint_score = nn.Linear(units, joints, **factory)
        if when:
            self.frame_memory = Memory(inputs, units, **factory)
            self.frame_look = nn.Linear(inputs, 1, **factory)
            self.frame_recall = nn.Linear(units, 1, bias=False, **factory)
        self.memory = Memory(inputs, hidden, **factory)
        self.readout = nn.Linear(hidden, classes, **factory)
        self._open_frames()

    def reset_parameters(self) -> None:
        """Draw every layer anew; the frame gate's bias is 1, so that no frame starts shut."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]
        self._open_frames()

    def _open_frames(self) -> None:
        if self.when:
            nn.init.ones_(self.frame_look.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, t, joints, coordinates) with t >= 1."""
        validate_clips(x, self.joints, self.coordinates)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The joint gates alpha, (b, t, k), and the frame gates beta, (b, t)."""
        frames = x.flatten(2)
        alpha = x.new_full(x.shape[:3], 1 / self.joints)
        if self.where:
            past = before(self.joint_memory(frames))
            alpha = joint_gates(frames, past, self.joint_look, self.joint_recall, self.joint_score)
        beta = x.new_ones(x.shape[:2])
        if self.when:
            past = before(self.frame_memory(frames))
            beta = frame_gates(frames, past, self.frame_look, self.frame_recall)
        return alpha, beta

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """The scores of the clip, (b, n), by equations (3), (1) and (5)."""
        alpha, beta = weights
        z = self.readout(self.memory(gated(alpha, x, self.rescale)))
        return self._averaged((beta[..., None] * z).sum(dim=1), x)

    def attend(self, x: Tensor) -> Tensor:
        """The same, with the readout behind the sum: no score of a single frame is built."""
        alpha, beta = self.g(x)
        if not is_plain(self.readout, nn.Linear):
            return self.f((alpha, beta), x)
        h = self.memory(gated(alpha, x, self.rescale))
        readout = self.readout
        return self._averaged(
            weighted_readout(beta.to(h.dtype), h, readout.weight, readout.bias), x
        )

    def _averaged(self, o: Tensor, x: Tensor) -> Tensor:
        return (o / x.shape[1] if self.average else o).to(x.dtype)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [f"joints={self.joints}, classes={self.classes}"]
        for name, default in _DEFAULTS.items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


_DEFAULTS = {
    "coordinates": 3, "hidden": 100, "gate_hidden": 100,
    "where": True, "when": True, "rescale": True, "average": True,
}  # fmt: skip

CARD = Card(
    stem="sta_lstm",
    title="STA-LSTM",
    category="spatial_temporal",
    module=SpatioTemporalLSTM,
    key="song2017end",
    authors="Song, Lan, Xing, Zeng, Liu",
    venue="AAAI",
    year=2017,
    decides="αₜ = softmax(U tanh(Wₓxₜ + Wₕhˢₜ₋₁)), βₜ = δ(wₓxₜ + wₕhᵖₜ₋₁)",
    applies="o = mean over t of βₜ z(K αₜ ⊙ xₜ)",
    weights="b t k, b t",
    parameters=parameter_count,
    parameters_formula="4d(e+d+1) + n(d+1) + 9u(e+u+1) + K(u+1) + e + u + 1, e = 3K",
    macs=multiply_adds,
    macs_formula="T(4d(e+d+1) + 9u(e+u) + u(K+7) + 2e + 1) + n(d+1)",
    memory="T states of d + 2u units, T(K + 1) gates",
    growth="T",
    drop_in=False,
    input="b t k 3",
)
