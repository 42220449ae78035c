"""Networks for short clips: frames alone, something between frames, frames alone, a mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.temporal import TemporalAdaptive
from attncourse.temporal.temporal_adaptive import AdaptiveKernel, Importance, aggregate, profile

#: Number of channels and of frames -> what stands between the frames.
Between = Callable[[int, int], nn.Module]


def _frame_layer(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="circular", bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class ClipNet(nn.Module):
    """Two layers on every frame, ``between``, one layer more, the mean of all, and a linear map.

    The layers on frames wrap around, so that a mean over positions cannot tell where a thing is.

    Args:
        between: (channels, frames) -> a module on (b, c, t, h, w).
        channels: width.
        frames: length of the clips.
        hidden: width of a hidden layer before the answer, 0 for none.
        told: hand the brightness of every frame to the answer as well.
        classes: number of answers.
    """

    def __init__(
        self,
        between: Between,
        channels: int = 12,
        frames: int = 6,
        *,
        hidden: int = 0,
        told: bool = False,
        classes: int = 4,
    ) -> None:
        super().__init__()
        self.told = told
        self.before = nn.Sequential(_frame_layer(1, channels), _frame_layer(channels, channels))
        self.between = between(channels, frames)
        self.after = _frame_layer(channels, channels)
        wide = channels + (frames if told else 0)
        self.answer = (
            nn.Sequential(nn.Linear(wide, hidden), nn.ReLU(), nn.Linear(hidden, classes))
            if hidden
            else nn.Linear(wide, classes)
        )

    def features(self, x: Tensor) -> Tensor:
        """What ``between`` gets, (b, c, t, h, w)."""
        return _on_frames(self.before, x)

    def read(self, mixed: Tensor, x: Tensor) -> Tensor:
        """The answers, from what ``between`` gave for the clips ``x``."""
        seen = _on_frames(self.after, mixed).mean(dim=(2, 3, 4))
        if self.told:
            seen = torch.cat([seen, profile(x)[:, 0]], dim=1)
        return self.answer(seen)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 1, t, h, w) -> (b, classes)."""
        return self.read(self.between(self.features(x)), x)


def _on_frames(layer: nn.Module, x: Tensor) -> Tensor:
    frames = layer(x.movedim(2, 1).flatten(0, 1))
    return frames.unflatten(0, (len(x), x.shape[2])).movedim(1, 2)


class Gates(nn.Module):
    """The local branch alone."""

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.importance = Importance(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The clip with weighed frames."""
        return x * self.importance(profile(x))[..., None, None]


class Kernels(nn.Module):
    """The global branch alone."""

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.kernel = AdaptiveKernel(frames)

    def kernels(self, x: Tensor) -> Tensor:
        """(b, c, 3)."""
        return self.kernel(profile(x))

    def forward(self, x: Tensor) -> Tensor:
        """The clip convolved over time."""
        return aggregate(x, self.kernels(x), x.new_ones(x.shape[:3]))


class KernelsFromAll(Kernels):
    """A convex kernel for every channel, from the profiles of all channels through two layers."""

    def __init__(self, channels: int, frames: int, hidden: int = 16) -> None:
        nn.Module.__init__(self)
        self.decide = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * frames, hidden), nn.ReLU(),
            nn.Linear(hidden, 3 * channels), nn.Unflatten(1, (channels, 3)),
        )  # fmt: skip

    def kernels(self, x: Tensor) -> Tensor:
        """(b, c, 3)."""
        return self.decide(profile(x)).softmax(dim=2)


class MixedKernels(Kernels):
    """CondConv over time: four free kernels for every channel, mixed by sigmoids for each clip."""

    def __init__(self, channels: int, frames: int, experts: int = 4) -> None:
        nn.Module.__init__(self)
        self.decide = nn.Sequential(nn.Flatten(), nn.Linear(channels * frames, experts))
        self.experts = nn.Parameter(torch.randn(experts, channels, 3) / 3**0.5)

    def kernels(self, x: Tensor) -> Tensor:
        """(b, c, 3), of any sign."""
        return torch.einsum("bm,mck->bck", self.decide(profile(x)).sigmoid(), self.experts)


class FreeKernels(Kernels):
    """The global branch without its softmax: taps of any sign, as large as they like."""

    def kernels(self, x: Tensor) -> Tensor:
        """(b, c, 3), of any sign."""
        z, make = profile(x), self.kernel
        hidden = torch.relu(make.norm(make.hidden(z.flatten(0, 1))))
        return make.score(hidden).unflatten(0, z.shape[:2])


class FixedKernels(Kernels):
    """One learned kernel for every channel, the same for all clips.

    Args:
        channels: number of channels.
        frames: not used.
        averaging: take shares of one, as TAM does, in place of free numbers.
        third: start every tap at 1/3, where TAM's softmax starts, and not at random.
    """

    def __init__(
        self, channels: int, frames: int, *, averaging: bool = False, third: bool = False
    ) -> None:
        nn.Module.__init__(self)
        self.averaging = averaging
        start = torch.randn(channels, 3) / 3**0.5
        self.weight = nn.Parameter(torch.full_like(start, 1 / 3) if third else start)

    def kernels(self, x: Tensor) -> Tensor:
        """(b, c, 3), the same for all clips."""
        kernel = self.weight.softmax(dim=1) if self.averaging else self.weight
        return kernel.expand(len(x), -1, -1)


class MirroredKernels(Kernels):
    """One learned kernel (a, b, a) for every channel, of any sign, the same for all clips."""

    def __init__(self, channels: int, frames: int) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.randn(channels, 2) / 3**0.5)

    def kernels(self, x: Tensor) -> Tensor:
        """(b, c, 3), each equal to its mirror image."""
        return self.weight[:, [0, 1, 0]].expand(len(x), -1, -1)


class ShiftAndGate(nn.Module):
    """A quarter of the channels one frame later, a quarter one earlier, and a gate for each.

    The gates see the profiles of all channels through a hidden layer.
    """

    shifts: Tensor

    def __init__(self, channels: int, frames: int, hidden: int = 16) -> None:
        super().__init__()
        taps = torch.ones(channels, dtype=torch.long)
        taps[: channels // 4], taps[channels // 4 : channels // 2] = 0, 2
        self.register_buffer("shifts", F.one_hot(taps, 3).float())
        self.gates = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * frames, hidden), nn.ReLU(),
            nn.Linear(hidden, channels), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The shifted clip with weighed channels."""
        moved = aggregate(x, self.shifts.expand(len(x), -1, -1), x.new_ones(x.shape[:3]))
        return moved * self.gates(profile(x))[..., None, None, None]


class TimeGate(nn.Module):
    """A gate for every frame, the same for all channels, from all profiles: SE over time."""

    def __init__(self, channels: int, frames: int, hidden: int = 16) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * frames, hidden), nn.ReLU(),
            nn.Linear(hidden, frames), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The clip with weighed frames."""
        return x * self.gates(profile(x))[:, None, :, None, None]


def two_convolutions(channels: int, frames: int) -> nn.Module:
    """Two ordinary convolutions over three frames and all channels, with ReLUs."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [
            nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def both(channels: int, frames: int) -> nn.Module:
    """TAM."""
    return TemporalAdaptive(channels, frames)


def nothing(channels: int, frames: int) -> nn.Module:
    """Frames stay apart."""
    return nn.Identity()
