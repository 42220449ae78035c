"""Controls for STA-LSTM: weights that do not look, gates that looked elsewhere, other schedules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attncourse.spatial_temporal import SpatioTemporalLSTM
from attncourse.spatial_temporal.sta_lstm_loss import frame_penalty, joint_penalty
from attncourse.tasks import seeded


class StaticWeights(SpatioTemporalLSTM):
    """One learned weight for each joint and each frame, the same for every clip.

    Args:
        joints: number of joints.
        classes: number of classes.
        frames: frames of a clip; the weights of frames are tied to their number.
        sizes: of the main network.
    """

    def __init__(self, joints: int, classes: int, frames: int, **sizes: Any) -> None:
        super().__init__(joints, classes, where=False, when=False, **sizes)
        self.joint_logits = nn.Parameter(torch.zeros(joints))
        self.frame_weights = nn.Parameter(torch.ones(frames))

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same gates whatever ``x`` shows."""
        alpha, beta = self.joint_logits.softmax(dim=0), self.frame_weights.relu()
        return alpha.expand(x.shape[:3]), beta.expand(x.shape[:2])


class Exchanged(nn.Module):
    """Trained as it is; tested with gates that were computed for something else.

    Args:
        net: the network.
        joints: what replaces the joint gates in testing: ``another clip``'s, or the ``mean`` of
            all clips, frame by frame; None leaves them.
        frames: the same for the frame gates.
    """

    def __init__(
        self, net: SpatioTemporalLSTM, *, joints: str | None = None, frames: str | None = None
    ) -> None:
        super().__init__()
        self.net, self.joints, self.frames = net, joints, frames

    def forward(self, x: Tensor) -> Tensor:
        """The scores; in testing ``x`` must be the whole test set, which the gates come from."""
        if self.training:
            return self.net(x)
        alpha, beta = self.net.g(x)
        gates = exchanged(alpha, self.joints), exchanged(beta, self.frames)
        return self.net.f(gates, x)


def exchanged(gates: Tensor, how: str | None) -> Tensor:
    """The gates of clips that were dealt round in a circle of random order, or their mean."""
    if how is None:
        return gates
    if how == "mean":
        return gates.mean(dim=0, keepdim=True).expand_as(gates)
    order = torch.randperm(len(gates), generator=seeded(len(gates)))
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return gates[other]


class Penalised(nn.Module):
    """Scores, and in training the two penalties of the gates beside them."""

    def __init__(self, net: SpatioTemporalLSTM, lambda1: float = 0.0, lambda2: float = 0.0) -> None:
        super().__init__()
        self.net, self.lambda1, self.lambda2 = net, lambda1, lambda2

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The scores, with the mean penalty of the clips in training."""
        if not self.training:
            return self.net(x)
        scores, (alpha, beta) = self.net(x, need_weights=True)
        penalty = self.lambda1 * joint_penalty(alpha) + self.lambda2 * frame_penalty(beta)
        return scores, penalty.mean()


class InTurns(nn.Module):
    """The two gates learn in turns, while the main network always learns.

    A gate whose turn it is not works, but its weights get no gradient.

    Args:
        net: the network.
        turns: for each step, how far training has come -> whether the joint gate learns, and
            whether the frame gate does.
        steps: of the whole training.
    """

    def __init__(self, net: SpatioTemporalLSTM, turns: str, steps: int) -> None:
        super().__init__()
        self.net, self.turns, self.steps, self.step = net, turns, steps, 0

    def forward(self, x: Tensor) -> Tensor:
        """The scores; in training one step further in the schedule."""
        if not self.training:
            return self.net(x)
        alpha, beta = self.net.g(x)
        where, when = turn(self.turns, self.step / self.steps)
        self.step += 1
        return self.net.f((alpha if where else alpha.detach(), beta if when else beta.detach()), x)


def turn(turns: str, progress: float) -> tuple[bool, bool]:
    if turns == "alternating":
        first = int(progress*20) % 2 == 0
        return first, not first
    # staged
    return progress>=1/3, not (1/3<=progress<2/3)
