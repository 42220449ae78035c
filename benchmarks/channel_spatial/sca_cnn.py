"""SCA-CNN: the question once for an image, and the map once for many questions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.channel_spatial import SpatialChannelAttention
from benchmarks.case import Case, Form

QUESTIONS, HIDDEN, STATE = 8, 128, 256


class Teller(nn.Module):
    """A block in the order S-C that is asked the same questions about every map."""

    questions: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = SpatialChannelAttention(channels, HIDDEN, STATE, order="SC")
        self.register_buffer("questions", torch.randn(QUESTIONS, STATE))

    def forward(self, x: Tensor) -> Tensor:
        """The means (b, t, c) of the weighed map, for all questions."""
        told: Tensor = self.block.tell(x, self.questions.expand(len(x), -1, -1))
        return told


def beside(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Map and question side by side through one layer, for every position and every channel."""

    def scores(scorer: nn.Module, vectors: Tensor, h: Tensor) -> Tensor:
        asked = h[:, None].expand(-1, vectors.shape[1], -1)
        weight = torch.cat([scorer.look.weight, scorer.ask.weight], dim=1)
        both = torch.cat([vectors, asked], dim=2) @ weight.T
        return scorer.score(torch.tanh(both + scorer.look.bias))[:, :, 0].softmax(dim=1)

    def form(x: Tensor) -> Tensor:
        b, c, rows, columns = x.shape
        h = module.question.expand(b, -1)
        beta = c * scores(module.what, x.mean(dim=(2, 3))[:, :, None], h)
        x = x * beta[:, :, None, None]
        alpha = rows * columns * scores(module.where, x.flatten(2).mT, h)
        return x * alpha.view(b, 1, rows, columns)

    return form


def one_by_one(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """For each question the block on the map, and the mean of what comes out."""

    def form(x: Tensor) -> Tensor:
        told = [
            module.block(x, state=h.expand(len(x), -1)).mean(dim=(2, 3)) for h in module.questions
        ]
        return torch.stack(told, dim=1)

    return form


def block(shape: tuple[int, ...]) -> nn.Module:
    """The block in the order of the authors' code."""
    return SpatialChannelAttention(shape[1], HIDDEN, STATE)


CASES = (
    Case(
        chapter="channel_spatial/sca_cnn",
        name="SCA-CNN",
        sizes={f"128 × {s} × {s}": (4, 128, s, s) for s in (7, 14, 28)},
        module=block,
        others={"beside": beside},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "beside": 1.0},
        floors={"beside": (1.1, 1.3)},
    ),
    Case(
        chapter="channel_spatial/sca_cnn",
        name="SCA-CNN, eight questions",
        sizes={f"128 × {s} × {s}": (4, 128, s, s) for s in (7, 14, 28)},
        module=lambda shape: Teller(shape[1]),
        others={"one by one": one_by_one},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "one by one": 1.0},
        floors={"one by one": (2.0, 1.8)},
    ),
)
