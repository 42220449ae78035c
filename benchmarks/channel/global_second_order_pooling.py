"""GSoP: the mean subtracted, beside the centring matrix written out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel import GlobalSecondOrderPooling, SecondOrderPositions
from attncourse.channel.global_second_order_pooling import covariance
from benchmarks.case import Case, Form


def explicit(z: Tensor) -> Tensor:
    """The released layout: Z times an M x M matrix times Z, the matrix made at every call."""
    b, _, m = z.shape
    ones = (-1.0 / m / m) * torch.ones(m, m, device=z.device, dtype=z.dtype)
    bar = ones + (1.0 / m) * torch.eye(m, m, device=z.device, dtype=z.dtype)
    return z.bmm(bar.expand(b, m, m)).bmm(z.transpose(1, 2))


class Pooling(nn.Module):
    """Covariance pooling alone, of d channels that no layer has reduced."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, d, h, w) -> (b, d, d)."""
        return covariance(x.flatten(2))


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The block with the covariance of the released layout."""

    def form(x: Tensor) -> Tensor:
        z = module.reduced(x)
        if z.requires_grad:
            # PyTorch 2.13's batch normalisation gives one image a wrong gradient on processors
            # where what comes back to it is laid out channels last, as it is here.
            z.register_hook(torch.Tensor.contiguous)
        sigma = explicit(z)
        v = F.leaky_relu(module.rows(module.row_norm(sigma)).flatten(1), module.slope)
        s = torch.sigmoid(module.expand(v))
        return x * s[:, :, None, None]

    return form


def cells(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The spatial branch with PyTorch's adaptive pooling and the d x d matrix written out."""

    def form(x: Tensor) -> Tensor:
        side = module.grid
        z = F.adaptive_avg_pool2d(module.norm(module.reduce(x)), side).flatten(2)
        sigma = explicit(z.transpose(1, 2))
        v = F.leaky_relu(module.rows(module.row_norm(sigma)).flatten(1), module.slope)
        gates = torch.sigmoid(module.expand(v)).view(len(x), 1, side, side)
        return x * F.adaptive_avg_pool2d(gates, x.shape[2:])

    return form


CASES = (
    Case(
        chapter="channel/global_second_order_pooling",
        name="covariance pooling",
        sizes={f"128 × {s} × {s}": (1, 128, s, s) for s in (14, 28, 56)},
        module=lambda shape: Pooling(),
        others={"textbook": lambda module, shape: lambda x: explicit(x.flatten(2))},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 2.0},
        floors={"textbook": (10.0, 12.0)},
    ),
    Case(
        chapter="channel/global_second_order_pooling",
        name="GSoP",
        sizes={f"128 × {s} × {s}": (1, 128, s, s) for s in (14, 28, 56)},
        module=lambda shape: GlobalSecondOrderPooling(shape[1]),
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 2.0},
        floors={"textbook": (6.0, 11.0)},
    ),
    Case(
        chapter="channel/global_second_order_pooling",
        name="GSoP over positions",
        sizes={f"128 × {s} × {s}": (1, 128, s, s) for s in (14, 28, 56)},
        module=lambda shape: SecondOrderPositions(shape[1]),
        others={"textbook": cells},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (0.8, 0.95)},
    ),
)
