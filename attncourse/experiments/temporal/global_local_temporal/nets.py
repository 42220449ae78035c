"""The networks of the GLTR experiments: frames to vectors, vectors to one clip, clip to class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.temporal import GlobalLocalTemporal, TemporalSelfAttention


class ClipNet(nn.Module):
    """Encode every frame by itself, make one vector of the clip, and read it linearly.

    Shape:
        - x: (b, t, pixels or coordinates)
        - output: (b, classes)
    """

    def __init__(self, encoder: nn.Module, clip: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.clip = encoder, clip
        self.readout = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        return self.readout(self.clip(self.encoder(x)))


def two_layers(inputs: int, hidden: int, width: int) -> nn.Module:
    """An encoder of frames with one hidden layer."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, width))


def one_layer(inputs: int, width: int) -> nn.Module:
    """An encoder of frames: a linear map and a ReLU."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU())


class MeanOf(nn.Module):
    """The mean over frames of what ``block`` makes of them, (b, width)."""

    def __init__(self, block: nn.Module, rectify: bool = False) -> None:
        super().__init__()
        self.block, self.rectify = block, rectify

    def forward(self, frames: Tensor) -> Tensor:
        """Mix, rectify if asked to, average."""
        mixed = self.block(frames)
        return (mixed.relu() if self.rectify else mixed).mean(dim=1)


class MeanAndFirst(nn.Module):
    """The mean over frames and the first frame, after ``block``, (b, 2 width)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, frames: Tensor) -> Tensor:
        """Mix, average, and put the first frame beside the mean."""
        mixed = self.block(frames)
        return torch.cat([mixed.mean(dim=1), mixed[:, 0]], dim=1)


class RectifiedMeanAndFirst(nn.Module):
    """A linear layer and a ReLU on the mean over frames and the first frame, (b, hidden)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.Linear(2 * channels, hidden)

    def forward(self, frames: Tensor) -> Tensor:
        """Average, put the first frame beside the mean, and mix the two."""
        return self.layer(torch.cat([frames.mean(dim=1), frames[:, 0]], dim=1)).relu()


class MeanOfPairs(nn.Module):
    """An unweighted mean of what a network makes of each frame *and* the cue, and the cue."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.pair = nn.Sequential(
            nn.Linear(2 * channels, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, channels),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Put the cue beside every frame, mix, average; (b, 2 channels)."""
        cue = frames[:, :1].expand_as(frames)
        mixed = self.pair(torch.cat([frames, cue], dim=2))
        return torch.cat([mixed.mean(dim=1), frames[:, 0]], dim=1)


class ContentPooling(nn.Module):
    """A weighted mean whose weights are scores of single frames, and the first frame."""

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(channels, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Softmax over frames of a score that each frame gets by itself."""
        weights = self.score(frames).softmax(dim=1)
        return torch.cat([(weights * frames).sum(dim=1), frames[:, 0]], dim=1)


class Recurrent(nn.Module):
    """The mean over frames and the last state of an LSTM that has read them all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, batch_first=True)

    def forward(self, frames: Tensor) -> Tensor:
        """Read the frames in order."""
        _, (last, _) = self.lstm(frames)
        return torch.cat([frames.mean(dim=1), last[0]], dim=1)


class OneQuery(TemporalSelfAttention):
    """Self-attention in which every frame asks the same, learned question.

    All parameters stay, and the frame that asks is added to them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.asking = nn.Parameter(0.1 * torch.randn(channels))

    def g(self, x: Tensor) -> Tensor:
        """Weights whose rows are all alike."""
        asked = self.query(self.asking).expand(x.shape[0], x.shape[1], -1)
        return (asked @ self.key(x).mT).softmax(dim=2)

    def attend(self, x: Tensor) -> Tensor:
        """No fast path."""
        return self.f(self.g(x), x)


def one_query_for_all(channels: int) -> GlobalLocalTemporal:
    """GLTR in whose attention every frame asks the same, learned question."""
    block = GlobalLocalTemporal(channels)
    block.attention = OneQuery(block.out_channels)
    return block
