"""Networks for two frames of points: a layer for each frame, a block that joins them, a head."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial_temporal.sp_sequence import (
    CrossFrameGlobalAttention,
    CrossFrameLocalInterpolation,
    interpolate,
    nearest,
    scale,
)
from attncourse.spatial_temporal.sp_sequence.interpolation import AXES, apart

#: Features of every point in the tasks, and channels behind the first layer.
FEATURES, WIDTH = 2, 16


class FrameNet(nn.Module):
    """A layer on the features of each point, own weights for each frame, a block, and a head.

    Args:
        block: (b, 3 + c, 2, n), positions first -> (b, ``out``, n).
        out: channels behind the block.
        classes: number of answers.
        layers: of the head, 1 or 2.
    """

    def __init__(self, block: nn.Module, out: int = WIDTH, classes: int = 2, layers: int = 2):
        super().__init__()
        self.block = block
        self.then, self.now = nn.Linear(FEATURES, WIDTH), nn.Linear(FEATURES, WIDTH)
        hidden = [nn.Linear(out, WIDTH), nn.ReLU()] if layers == 2 else []
        self.head = nn.Sequential(*hidden, nn.Linear(WIDTH if hidden else out, classes))

    def encoded(self, x: Tensor) -> Tensor:
        """Both frames behind their first layers, (b, 3 + c, 2, n)."""
        frames = [
            layer(x[:, AXES:, t].mT).relu().mT for t, layer in enumerate((self.then, self.now))
        ]
        return torch.cat([x[:, :AXES], torch.stack(frames, dim=2)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3 + 2, 2, n) -> (b, classes, n)."""
        return self.head(self.block(self.encoded(x)).mT).mT


class Guided(nn.Module):
    """Channels of the present points, guided by one vector that CGA's layers make of a frame.

    Args:
        how: ``gate``, ``add`` or ``join`` the vector; the last two without the sigmoid.
        frame: 0 for the frame before, 1 for the present one.
    """

    def __init__(self, how: str = "gate", frame: int = 0) -> None:
        super().__init__()
        self.how, self.frame = how, frame
        self.guide = CrossFrameGlobalAttention(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3 + c, 2, n) -> (b, c or 2c, n)."""
        seen, now = x[:, AXES:, self.frame], x[:, AXES:, 1]
        s = self.guide.gates(seen)
        if self.how == "gate":
            return scale(s, now)
        vector = s.logit()[:, :, None].expand_as(now)
        return now + vector if self.how == "add" else torch.cat([now, vector], dim=1)


class Present(nn.Module):
    """The present features alone."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3 + c, 2, n) -> (b, c, n)."""
        return x[:, AXES:, 1]


#: (positions now, positions before) -> weights (b, n, k) and indices (b, n, k).
Weigh = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Looked(nn.Module):
    """CLI with other weights, or with none: the layers of CLI on [x; q].

    Args:
        weigh: makes the weights; ``None`` for q = 0.
        distance: also hand on how far the nearest point before is.
        offset: also hand on the positions before, weighed as the features, less the present ones.
    """

    def __init__(
        self, weigh: Weigh | None = None, *, distance: bool = False, offset: bool = False
    ) -> None:
        super().__init__()
        self.weigh, self.distance, self.offset = weigh, distance, offset
        inputs = 2 * WIDTH + distance + AXES * offset
        self.first = nn.Linear(inputs, WIDTH, bias=False)
        self.norm = nn.BatchNorm1d(WIDTH)
        self.second = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3 + c, 2, n) -> (b, c, n)."""
        (then, now), (p, own) = x[:, :AXES].unbind(2), x[:, AXES:].unbind(2)
        parts = [own, torch.zeros_like(own) if self.weigh is None
                 else interpolate(*self.weigh(now, then), p)]  # fmt: skip
        if self.distance:
            parts.append(apart(now, then, nearest(now, then, 1)).mT)
        if self.offset and self.weigh is not None:
            parts.append(interpolate(*self.weigh(now, then), then) - now)
        return self.second(F.relu(self.norm(self.first(torch.cat(parts, dim=1).mT).mT)).mT).mT


def everywhere(now: Tensor, then: Tensor) -> tuple[Tensor, Tensor]:
    """All points before, with equal weights that add up to one."""
    b, _, m = then.shape
    index = torch.arange(m, device=now.device).expand(b, now.shape[2], m)
    return now.new_full(index.shape, 1 / m), index


def nearest_alike(now: Tensor, then: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """The nearest points, each with the weight one half."""
    index = nearest(now, then, neighbours)
    return now.new_full(index.shape, 0.5), index


def inverse_distance(now: Tensor, then: Tensor, neighbours: int = 3) -> tuple[Tensor, Tensor]:
    """One over the squared distance, divided by the sum over the neighbours."""
    index = nearest(now, then, neighbours)
    w = 1 / (apart(now, then, index).square() + 1e-8)
    return w / w.sum(dim=2, keepdim=True), index


class Normalised:
    """CLI's weights, divided by their sum where that is not zero."""

    def __init__(self, radius: float) -> None:
        self.cli = CrossFrameLocalInterpolation(1, radius=radius)

    def __call__(self, now: Tensor, then: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and indices."""
        w, index = self.cli.g(torch.stack([then, now], dim=2))
        return w / w.sum(dim=2, keepdim=True).clamp(min=1e-6), index


class Shared(nn.Sequential):
    """Two layers on each point alone, each normalised over all points: (b, n, c) -> (b, n, d)."""

    def __init__(self, inputs: int, width: int) -> None:
        layers: list[nn.Module] = []
        for size in (inputs, width):
            layers += [nn.Linear(size, width), Rows(width), nn.ReLU()]
        super().__init__(*layers)


class Rows(nn.BatchNorm1d):
    """Batch normalisation of features that stand last."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, n, c) -> (b, n, c)."""
        return super().forward(x.mT).mT


class PointNet(nn.Module):
    """An ordinary network on both frames: layers on each point, each frame's mean and maximum.

    Positions and features go through two layers, own weights for each frame; mean and maximum over
    the points of each frame are handed to all present points, and three more layers answer.

    Args:
        classes: number of answers.
        width: channels of the layers.
    """

    def __init__(self, classes: int, width: int = WIDTH) -> None:
        super().__init__()
        size = AXES + FEATURES
        self.then, self.now = Shared(size, width), Shared(size, width)
        self.head = nn.Sequential(Shared(5 * width, width), nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3 + 2, 2, n) -> (b, classes, n)."""
        frames = self.then(x[:, :, 0].mT), self.now(x[:, :, 1].mT)
        pooled = [f for frame in frames for f in (frame.mean(dim=1), frame.amax(dim=1))]
        both = torch.cat(pooled, dim=1)[:, None].expand(-1, x.shape[3], -1)
        return self.head(torch.cat([frames[1], both], dim=2)).mT
