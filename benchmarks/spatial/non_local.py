"""The non-local block: fused, in the other order or sorted, against the map of all pairs."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import NonLocal
from attncourse.spatial.non_local import tokens
from attncourse.spatial.non_local.pairwise import project
from benchmarks.case import Case, Form
from benchmarks.explicit import explicit
from benchmarks.timm_layers import layer, take_over


def pairs_of_vectors(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equation (6) as it is written: every theta beside every phi, then a 1 x 1 convolution."""

    def form(x: Tensor) -> Tensor:
        t, n = tokens(x), shape[2] * shape[3]
        theta = project(t, module.pairwise.theta).mT[:, :, :, None].expand(-1, -1, -1, n)
        phi = project(t, module.pairwise.phi).mT[:, :, None, :].expand(-1, -1, n, -1)
        kernel = module.pairwise.score.weight[:, :, None, None]
        weights = F.relu(F.conv2d(torch.cat([theta, phi], dim=1), kernel))[:, 0] / n
        return module.f(weights, x)

    return form


def of_torch(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """PyTorch's fused operator on (b, n, d), as one would call it; three axes are not fused."""

    def form(x: Tensor) -> Tensor:
        t = tokens(x)
        q, k, v = (
            project(t, layer)
            for layer in (module.pairwise.theta, module.pairwise.phi, module.value)
        )
        y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return x + F.linear(y, module.out.weight, module.out.bias).mT.view_as(x)

    return form


NL_OF_TIMM = layer("non_local_attn", "NonLocalAttn")


def of_timm(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The same weights, in eval mode too."""
    made = NL_OF_TIMM(shape[1], use_scale=False, rd_channels=module.hidden_channels)
    made = made.to(module.out.weight)
    for theirs, ours in (
        (made.t, module.pairwise.theta), (made.p, module.pairwise.phi), (made.g, module.value),
        (made.z, module.out), (made.norm, module.norm),
    ):  # fmt: skip
        take_over(theirs, ours)
    return made.eval()


def block(mode: str) -> Callable[[tuple[int, ...]], nn.Module]:
    """A maker of the block in one of its forms, opened."""

    def make(shape: tuple[int, ...]) -> nn.Module:
        made = NonLocal(shape[1], mode=mode, norm=False)
        nn.init.normal_(made.out.weight, std=0.1)
        return made

    return make


def with_norm(shape: tuple[int, ...]) -> nn.Module:
    """The block with its normalisation, opened; in eval mode."""
    made = NonLocal(shape[1])
    nn.init.normal_(made.norm.weight, std=0.1)
    return made.eval()


def positions(shape: tuple[int, ...]) -> float:
    """What the derivation counts."""
    return shape[2] * shape[3]


_SIZES = {f"256 × {s} × {s}": (2, 256, s, s) for s in (12, 24, 48)}

CASES = (
    Case(
        chapter="spatial/non_local",
        name="Concatenation",
        sizes={f"64 × {s} × {s}": (1, 64, s, s) for s in (7, 14, 28)},
        module=block("concatenation"),
        others={"textbook": pairs_of_vectors},
        grows=positions,
        along="positions",
        exponents={"ours": 1.0, "textbook": 2.0},
        floors={"textbook": (20, 20)},
    ),
    Case(
        chapter="spatial/non_local",
        name="Dot product",
        sizes=_SIZES,
        module=block("dot_product"),
        others={"textbook": explicit},
        grows=positions,
        along="positions",
        exponents={"ours": 1.0, "textbook": 2.0},
        floors={"textbook": (3, 3)},
    ),
    Case(
        chapter="spatial/non_local",
        name="Gaussian",
        sizes=_SIZES,
        module=block("gaussian"),
        others={"textbook": explicit},
        grows=positions,
        along="positions",
        exponents={"ours": 2.0, "textbook": 2.0},
        floors={"textbook": (1, 4)},
        tolerance=1e-9,
    ),
    Case(
        chapter="spatial/non_local",
        name="Embedded Gaussian",
        sizes=_SIZES,
        module=block("embedded_gaussian"),
        others={"textbook": explicit, "torch": of_torch},
        grows=positions,
        along="positions",
        exponents={"ours": 2.0, "textbook": 2.0, "torch": 2.0},
        # With freed memory kept, a training step is near 1: seven products of maps against six,
        # because the logits are computed once more.
        floors={"textbook": (0.8, 4), "torch": (0.8, 4)},
        fresh_floors={"textbook": 1.0, "torch": 1.0},
        tolerance=1e-9,
    ),
) + (
    (
        Case(
            chapter="spatial/non_local",
            name="Embedded Gaussian and timm's",
            sizes=_SIZES,
            module=with_norm,
            others={"timm": of_timm},
            grows=positions,
            along="positions",
            exponents={"ours": 2.0, "timm": 2.0},
            floors={"timm": (0.8, 4)},
            fresh_floors={"timm": 1.0},
            tolerance=1e-9,
        ),
    )
    if NL_OF_TIMM
    else ()
)
