"""Selective kernel: branches mixed one by one, against a stack of all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.branch import SelectiveKernel
from benchmarks.case import Case, Form
from benchmarks.timm_layers import layer, take_over


def textbook(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Equations (4) to (8) on a tensor of all branches, as most public code has them."""

    def form(x: Tensor) -> Tensor:
        pairs = zip(module.convs, module.norms, strict=True)
        paths = torch.stack([torch.relu(norm(conv(x))) for conv, norm in pairs], dim=1)
        s = paths.sum(dim=1).mean(dim=(2, 3))
        z = torch.relu(module.norm(module.reduce(s)))
        a = module.scores(z).unflatten(1, (paths.shape[1], -1)).softmax(dim=1)
        return (a[..., None, None] * paths).sum(dim=1)

    return form


def block(shape: tuple[int, ...]) -> SelectiveKernel:
    """In eval mode, so that batch statistics are no part of what is timed."""
    return SelectiveKernel(shape[1]).eval()


SK_OF_TIMM = layer("selective_kernel", "SelectiveKernel")


def of_timm(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Every branch sees all channels, as in the paper; the same weights, in eval mode too."""
    made = SK_OF_TIMM(
        shape[1], groups=module.convs[0].groups, rd_channels=module.reduce.out_features,
        split_input=False,
    ).to(module.reduce.weight)  # fmt: skip
    for path, conv, norm in zip(made.paths, module.convs, module.norms, strict=True):
        take_over(path.conv, conv)
        take_over(path.bn, norm)
    attn = made.attn
    for theirs, ours in (
        (attn.fc_reduce, module.reduce), (attn.bn, module.norm), (attn.fc_select, module.scores),
    ):  # fmt: skip
        take_over(theirs, ours)
    return made.eval()


_SIZES = {f"128 × {s} × {s}": (8, 128, s, s) for s in (14, 28, 56)}

CASES = (
    Case(
        chapter="branch/selective_kernel",
        name="Selective kernel",
        sizes=_SIZES,
        module=block,
        others={"textbook": textbook},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "textbook": 1.0},
        floors={"textbook": (1.1, 1.35)},
    ),
) + (
    (
        Case(
            chapter="branch/selective_kernel",
            name="Selective kernel and timm's",
            sizes=_SIZES,
            module=block,
            others={"timm": of_timm},
            grows=lambda shape: shape[2] * shape[3],
            along="positions",
            exponents={"ours": 1.0, "timm": 1.0},
            floors={"timm": (1.1, 1.2)},
        ),
    )
    if SK_OF_TIMM
    else ()
)
