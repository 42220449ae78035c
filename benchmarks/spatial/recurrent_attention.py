"""The glimpse sensor: one bilinear reading for the batch, against a loop that pads and cuts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial.recurrent_attention.sensor import read_glimpse
from benchmarks.case import Case, Form

SIZE, SCALES = 8, 3


class Sensor(nn.Module):
    """Three squares around one place of each image; places lie where squares end on pixels."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        room = shape[-1] - SIZE
        self.register_buffer("corner", torch.randint(0, room + 1, (shape[0], 2)))
        self.room = room

    def forward(self, x: Tensor) -> Tensor:
        """The squares, (b, k, c, s, s)."""
        location = 2 * self.corner.to(x.dtype) / self.room - 1
        return read_glimpse(x, location, SIZE, SCALES)


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """For each scale pad the batch, for each image cut a square, then average it down."""

    def form(x: Tensor) -> Tensor:
        squares = []
        for scale in range(SCALES):
            side = SIZE * 2**scale
            rim = (side - SIZE) // 2
            padded = F.pad(x, [rim] * 4)
            cut = []
            for n in range(len(x)):
                left, top = module.corner[n, 0], module.corner[n, 1]
                cut.append(padded[n, :, top : top + side, left : left + side])
            squares.append(F.avg_pool2d(torch.stack(cut), 2**scale))
        return torch.stack(squares, dim=1)

    return form


CASES = (
    Case(
        chapter="spatial/recurrent_attention",
        name="Glimpse sensor",
        sizes={f"batch of {b}": (b, 1, 60, 60) for b in (8, 32, 128)},
        module=Sensor,
        others={"textbook": textbook},
        grows=lambda shape: shape[0],
        along="images",
        # The gradient of each cut is as large as the batch that it was cut from.
        exponents={"ours": 1.0, "textbook": 2.0},
        floors={"textbook": (3.0, None)},
    ),
)
