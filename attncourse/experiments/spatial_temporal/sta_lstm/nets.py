"""Controls for STA-LSTM: weights that do not look, gates that looked elsewhere, other schedules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attncourse.spatial_temporal import SpatioTemporalLSTM
from attncourse.spatial_temporal.sta_lstm.loss import frame_penalty, joint_penalty
from attncourse.tasks import seeded

#: Turns that a gate gets in a training that alternates, over both gates.
TURNS = 20


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


class StaticFrames(SpatioTemporalLSTM):
    """The joint gate, and one learned weight for each frame, the same for every clip.

    Args:
        joints: number of joints.
        classes: number of classes.
        frames: frames of a clip; the weights of frames are tied to their number.
        gain: what each weight is multiplied by; a step of training moves it by as much more.
        sizes: of the network.
    """

    def __init__(
        self, joints: int, classes: int, frames: int, gain: float = 1.0, **sizes: Any
    ) -> None:
        super().__init__(joints, classes, when=False, **sizes)
        self.gain = gain
        self.frame_weights = nn.Parameter(torch.ones(frames))

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The joint gates of ``x``, and frame gates that are the same whatever it shows."""
        return super().g(x)[0], (self.gain * self.frame_weights.relu()).expand(x.shape[:2])


class Louder(SpatioTemporalLSTM):
    """The same fixed weight for every frame: scores as large as a frame gate makes them.

    Args:
        joints: number of joints.
        classes: number of classes.
        gain: the weight.
        options: of the network, such as ``where`` and its sizes.
    """

    def __init__(self, joints: int, classes: int, gain: float = 10.0, **options: Any) -> None:
        super().__init__(joints, classes, when=False, **options)
        self.gain = gain

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The joint gates of ``x``, and the gain for every frame."""
        return super().g(x)[0], x.new_full(x.shape[:2], self.gain)


class LastFrame(SpatioTemporalLSTM):
    """Read at its last frame alone, as an LSTM is commonly read; the scores are that frame's own.

    Args:
        joints: number of joints.
        classes: number of classes.
        options: of the network, such as ``where`` and its sizes.
    """

    def __init__(self, joints: int, classes: int, **options: Any) -> None:
        super().__init__(joints, classes, when=False, average=False, **options)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The joint gates of ``x``, and 1 for the last frame."""
        last = torch.zeros_like(x[:, :, 0, 0])
        last[:, -1] = 1
        return super().g(x)[0], last


def exchanged(gates: Tensor, how: str | None) -> Tensor:
    """Gates in place of a batch's own.

    Args:
        gates: (b, ...), those that each clip decided for itself.
        how: ``another clip`` deals them round in a circle of random order, ``mean`` gives every
            clip the batch's mean, None leaves them.
    """
    if how is None:
        return gates
    if how == "mean":
        return gates.mean(dim=0, keepdim=True).expand_as(gates)
    order = torch.randperm(len(gates), generator=seeded(len(gates)))
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return gates[other]


class Exchanged(nn.Module):
    """Trained as it is; tested with gates that were computed for other clips of the batch.

    Args:
        net: the network.
        joints: what replaces the joint gates in testing, as in :func:`exchanged`.
        frames: the same for the frame gates.
    """

    def __init__(
        self, net: SpatioTemporalLSTM, *, joints: str | None = None, frames: str | None = None
    ) -> None:
        super().__init__()
        self.net, self.joints, self.frames = net, joints, frames

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        if self.training:
            return self.net(x)
        alpha, beta = self.net.g(x)
        return self.net.f((exchanged(alpha, self.joints), exchanged(beta, self.frames)), x)


class Penalised(nn.Module):
    """Scores, and in training the two penalties of the gates beside them.

    Args:
        net: the network.
        lambda1: weight of the joint gates' penalty.
        lambda2: weight of the frame gates' penalty.
    """

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
    """The two gates learn in turns, while the main network learns all the time.

    A gate whose turn it is not works as it is, but its weights get no gradient.

    Args:
        net: the network.
        steps: of the whole training.
        turns: ``alternating`` changes the gate :data:`TURNS` times, the joint gate first;
            ``staged`` trains the frame gate for a third of the steps, the joint gate for the next
            third, and both for the last.
    """

    def __init__(self, net: SpatioTemporalLSTM, steps: int, turns: str = "alternating") -> None:
        super().__init__()
        self.net, self.steps, self.turns, self.step = net, steps, turns, 0

    def forward(self, x: Tensor) -> Tensor:
        """The scores; in training one step further in the schedule."""
        if not self.training:
            return self.net(x)
        alpha, beta = self.net.g(x)
        where, when = turn(self.turns, self.step / self.steps)
        self.step += 1
        gates = alpha if where else alpha.detach(), beta if when else beta.detach()
        return self.net.f(gates, x)


def turn(turns: str, progress: float) -> tuple[bool, bool]:
    """Whether the joint gate and the frame gate learn when ``progress`` of training is over."""
    if turns == "alternating":
        joints = int(progress * TURNS) % 2 == 0
        return joints, not joints
    if turns == "staged":
        return progress >= 1 / 3, not 1 / 3 <= progress < 2 / 3
    raise ValueError(f"turns={turns!r} is unknown: choose alternating or staged")
