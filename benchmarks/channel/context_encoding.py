"""EncNet: distances and sums by matrix products, beside all residuals written out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel import ContextEncoding
from attncourse.channel.context_encoding import encode
from benchmarks.case import Case, Form


def explicit(u: Tensor, codewords: Tensor, smoothing: Tensor) -> Tensor:
    """The textbook: n x k x c residuals of each image, for the shares and again for the sums."""
    residual = u.unsqueeze(2) - codewords
    a = F.softmax(smoothing * residual.pow(2).sum(3), dim=2)
    return (a.unsqueeze(3) * residual).sum(1)


class Codebook(nn.Module):
    """The codebook alone: features in, sums of residuals out."""

    def __init__(self, channels: int, codewords: int = 32) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.randn(codewords, channels))
        self.smoothing = nn.Parameter(-torch.rand(codewords) / channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, k, c)."""
        return encode(x.flatten(2).mT, self.words, self.smoothing)


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The block with residuals written out."""

    def form(x: Tensor) -> Tensor:
        u = F.relu(module.norm(module.mixing(x))).flatten(2).transpose(1, 2)
        sums = explicit(u, module.words, module.smoothing)
        code = F.relu(module.code_norm(sums)).mean(1)
        s = torch.sigmoid(module.expand(code))[:, :, None, None]
        return F.relu(x + x * s)

    return form


_SIZES = {f"128 × {s} × {s}": (2, 128, s, s) for s in (7, 14, 28)}

CASES = (
    Case(
        chapter="channel/context_encoding",
        name="EncNet's codebook",
        sizes=_SIZES,
        module=lambda shape: Codebook(shape[1]),
        others={
            "textbook": lambda module, shape: (
                lambda x: explicit(x.flatten(2).transpose(1, 2), module.words, module.smoothing)
            )
        },
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (4.0, 15.0)},
    ),
    Case(
        chapter="channel/context_encoding",
        name="EncNet",
        sizes=_SIZES,
        module=lambda shape: ContextEncoding(shape[1]),
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (4.0, 15.0)},
    ),
)
