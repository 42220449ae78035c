"""Networks for clips: a block on the clip, its mean over time, and two layers on what is left."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial_temporal.channel_correlation import (
    ChannelCorrelation,
    mask,
    profile,
    scale,
)

#: Number of channels and of frames -> a block on (b, c, t, h, w).
Block = Callable[[int, int], nn.Module]


class ClipNet(nn.Module):
    """A block on the clip, the mean over time, the sum of the channels, and two layers.

    Args:
        block: (channels, frames) -> a module on (b, c, t, h, w).
        channels: channels of the clips.
        frames: length of the clips.
        pixels: positions of a frame.
        hidden: width of the layer before the answer.
        classes: number of answers.
        apart: hand the channels on side by side, in place of their sum.
    """

    def __init__(
        self,
        block: Block,
        channels: int,
        frames: int = 8,
        pixels: int = 64,
        hidden: int = 64,
        classes: int = 10,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.apart = apart
        self.block = block(channels, frames)
        seen = pixels * channels if apart else pixels
        self.answer = nn.Sequential(nn.Linear(seen, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, t, h, w) -> (b, classes)."""
        seen = self.block(x).mean(dim=2)
        seen = seen if self.apart else seen.sum(dim=1)
        return self.answer(seen.flatten(1))


class Gate(nn.Module):
    """Squeeze-and-excitation behind a squeeze of one's own: (b, c, t) -> (b, m).

    Args:
        squeeze: what the profile is squeezed by.
        inputs: numbers m that it gives.
        channels: gates to make.
        hidden: width of the hidden layer.
        bias: whether both layers have biases.
    """

    def __init__(
        self,
        squeeze: nn.Module,
        inputs: int,
        channels: int,
        hidden: int = 8,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.squeeze = squeeze
        self.excite = nn.Sequential(
            nn.Linear(inputs, hidden, bias=bias), nn.ReLU(),
            nn.Linear(hidden, channels, bias=bias), nn.Sigmoid(),
        )  # fmt: skip

    def g(self, x: Tensor) -> Tensor:
        """The gates, (b, c)."""
        return self.excite(self.squeeze(profile(x)))

    def forward(self, x: Tensor) -> Tensor:
        """The clip with weighed channels."""
        return scale(self.g(x), x)


class OneVector(nn.Module):
    """One weight for each frame, shared by the channels, and a sum over time."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(frames).uniform_(-1, 1) / frames**0.5)

    def forward(self, z: Tensor) -> Tensor:
        """(b, c, t) -> (b, c)."""
        return z @ self.weight


class TimeConvolution(nn.Module):
    """A few kernels of three taps over time, shared by the channels, and a mean over time.

    Args:
        units: number of kernels.
        rectify: whether a ReLU stands before the mean.
        circular: whether the clip is closed to a ring, in place of zeros at its ends.
    """

    def __init__(self, units: int = 4, *, rectify: bool = False, circular: bool = False) -> None:
        super().__init__()
        self.rectify, self.circular = rectify, circular
        self.convolve = nn.Conv1d(1, units, 3)

    def forward(self, z: Tensor) -> Tensor:
        """(b, c, t) -> (b, c * units)."""
        rows = F.pad(z.flatten(0, 1)[:, None], (1, 1), "circular" if self.circular else "constant")
        found = self.convolve(rows)
        found = found.relu() if self.rectify else found
        return found.mean(dim=2).unflatten(0, z.shape[:2]).flatten(1)


class Mixed(nn.Module):
    """A layer over all channels and ``reach`` frames, a ReLU, and a mean over time."""

    def __init__(self, channels: int, units: int = 8, reach: int = 1) -> None:
        super().__init__()
        self.mix = nn.Conv1d(channels, units, reach, padding=reach // 2)

    def forward(self, z: Tensor) -> Tensor:
        """(b, c, t) -> (b, units)."""
        return self.mix(z).relu().mean(dim=2)


class FrameGates(nn.Module):
    """Squeeze-and-excitation on frames as channels: a gate for every channel of every frame."""

    def __init__(self, channels: int, frames: int, hidden: int) -> None:
        super().__init__()
        self.excite = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * frames, hidden), nn.ReLU(),
            nn.Linear(hidden, channels * frames), nn.Sigmoid(), nn.Unflatten(1, (channels, frames)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The clip with weighed channels of frames."""
        return x * self.excite(profile(x))[..., None, None]


def convolutions(channels: int, frames: int, units: int = 16) -> nn.Module:
    """Two ordinary convolutions over three frames and all channels, a ReLU behind each."""
    rim = (1, 0, 0)
    return nn.Sequential(
        nn.Conv3d(channels, units, (3, 1, 1), padding=rim), nn.ReLU(),
        nn.Conv3d(units, channels, (3, 1, 1), padding=rim), nn.ReLU(),
    )  # fmt: skip


class Branch(nn.Module):
    """One branch of STC alone.

    Args:
        channels: number of channels.
        frames: length of the clips.
        timed: the branch that keeps time, in place of the one that pools it away.
        share: what its gates are multiplied by.
    """

    def __init__(self, channels: int, frames: int, *, timed: bool, share: float = 1.0) -> None:
        super().__init__()
        self.timed, self.share = timed, share
        self.excite = getattr(ChannelCorrelation(channels, frames, 1), "scb" if timed else "tcb")

    def forward(self, x: Tensor) -> Tensor:
        """The clip with weighed channels."""
        return scale(self.share * self.g(x), x)

    def g(self, x: Tensor) -> Tensor:
        """The gates, (b, c)."""
        z = profile(x)
        return self.excite(z.flatten(1) if self.timed else z.mean(dim=2))


class TwoBranches(nn.Module):
    """The mean of two branches that both keep time."""

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.one = Branch(channels, frames, timed=True)
        self.other = Branch(channels, frames, timed=True)

    def forward(self, x: Tensor) -> Tensor:
        """The clip with weighed channels."""
        return scale(mask(self.one.g(x), self.other.g(x)), x)


def both(channels: int, frames: int, *, bias: bool = False) -> nn.Module:
    """STC's block, with as many hidden units as inputs: there are too few channels to save any."""
    return ChannelCorrelation(channels, frames, 1, bias=bias)


def nothing(channels: int, frames: int) -> nn.Module:
    """The clip as it is."""
    return nn.Identity()


def vector(channels: int, frames: int, *, small: bool = False) -> nn.Module:
    """Gates from one weighted sum over time of each channel.

    ``small`` gives them the layers of STC's branch without time: a unit a channel, no biases.
    """
    hidden = channels if small else 8
    return Gate(OneVector(frames), channels, channels, hidden, bias=not small)


def kernels(channels: int, frames: int, *, circular: bool = False, rectify: bool = False) -> Gate:
    """Gates from four linear convolutions over time, the same for all channels, and their means."""
    squeeze = TimeConvolution(circular=circular, rectify=rectify)
    return Gate(squeeze, 4 * channels, channels)


def mixed(channels: int, frames: int, *, reach: int = 1) -> nn.Module:
    """Gates from eight units over all channels of ``reach`` frames, and their means."""
    return Gate(Mixed(channels, 8, reach), 8, channels)


def frame_gates(channels: int, frames: int) -> nn.Module:
    """Squeeze-and-excitation on frames as channels, with eight hidden units."""
    return FrameGates(channels, frames, 8)
