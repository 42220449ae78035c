"""The four terms: no number for a pair, against the released layout and all encodings.

The released layout adds a row's numbers and a column's to a map of all pairs; the form that is
written down from the equation holds a projected code for every pair of positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from attncourse.spatial import FourTerms
from attncourse.spatial.four_terms import relative_code
from benchmarks.case import Case, Form


def released(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """Our own writing of the layout of mmcv's ``GeneralizedAttention``.

    Energies of all pairs (b, k, h, w, rows, columns), to which those of rows and of columns are
    added; with the third term alone one map for all.  Its code is that of i - j; the sines'
    weights are negated, which makes it ours.
    """
    b, _, h, w = shape
    stride, heads = module.stride, module.heads

    def table(layer: nn.Module, size: int, x: Tensor) -> Tensor:
        """(heads, asks, asked, d)."""
        here = torch.arange(size, dtype=x.dtype, device=x.device)
        there = torch.arange(0, size, stride, dtype=x.dtype, device=x.device)
        apart = here[:, None] - there
        half = layer.weight.shape[1] // 2
        code = relative_code(apart.flatten(), 2 * half)
        turned = torch.cat([-layer.weight[:, :half], layer.weight[:, half:]], dim=1)
        worth = (code @ turned.T).view(size, len(there), heads, -1)
        return worth.permute(2, 0, 1, 3) / math.sqrt(2)

    def form(x: Tensor) -> Tensor:
        pair, asks, content, place = (bit == "1" for bit in module.terms)
        asked = x[:, :, ::stride, ::stride]
        rows, columns = asked.shape[2:]
        value = module.value(asked).view(b, heads, -1, rows * columns)
        d = value.shape[2]
        if module.query is not None:
            q = module.query(x).view(b, heads, d, h * w).mT
        if module.key is not None:
            k = module.key(asked).view(b, heads, d, rows * columns)
        if content:
            u = module.content_bias.view(1, heads, 1, d).repeat(b, 1, 1, 1)
        if module.terms == "0010":
            energy, size = u @ k, (1, 1)
        else:
            energy, size = x.new_zeros(b, heads, h, w, rows, columns), (h, w)
            if pair:
                own = q + u if content else q
                energy = energy + (own @ k).view(b, heads, h, w, rows, columns)
            elif content:
                energy = energy + (u @ k).view(b, heads, 1, 1, rows, columns)
            if asks or place:
                own = q if asks else x.new_zeros(b, heads, h * w, d)
                own = own + module.place_bias.view(1, heads, 1, d) if place else own
                own = own.view(b, heads, h, w, d)
                down = (own @ table(module.rows, h, x).mT).unsqueeze(5)
                across = own.transpose(2, 3) @ table(module.columns, w, x).mT
                energy = energy + (down + across.transpose(2, 3).unsqueeze(4))
            energy = energy.view(b, heads, h * w, rows * columns)
        weights = torch.softmax(energy, dim=3)
        read = (weights @ value.mT).permute(0, 1, 3, 2).reshape(b, -1, *size)
        return module.gamma * module.out(read) + x

    return form


def encodings(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """As the equation is written: a projected code of d numbers for every pair and head."""
    _, _, h, w = shape
    n, heads = h * w, module.heads

    def codes(x: Tensor) -> Tensor:
        """(heads, n, n, d)."""
        at = torch.arange(n, device=x.device)
        apart = {
            "rows": at // w - (at // w)[:, None], "columns": at % w - (at % w)[:, None]
        }  # fmt: skip
        worth: Tensor | float = 0.0
        for name, steps in apart.items():
            layer = getattr(module, name)
            code = relative_code(steps.flatten().to(x.dtype), layer.weight.shape[1])
            worth = worth + layer(code)
        assert isinstance(worth, Tensor)
        return worth.view(n, n, heads, -1).permute(2, 0, 1, 3) / math.sqrt(2)

    def form(x: Tensor) -> Tensor:
        pair, asks, content, place = (bit == "1" for bit in module.terms)
        split = lambda t: t.flatten(2).unflatten(1, (heads, -1)).mT  # noqa: E731
        value = split(module.value(x))
        d = value.shape[3]
        scores = x.new_zeros(len(x), heads, n, n)
        q = None if module.query is None else split(module.query(x))
        k = None if module.key is None else split(module.key(x))
        about = torch.zeros_like(value)
        if pair:
            scores = scores + q @ k.mT
        if content:
            scores = scores + module.content_bias.view(heads, 1, d) @ k.mT
        if asks:
            about = about + q
        if place:
            about = about + module.place_bias.view(heads, 1, d)
        if asks or place:
            scores = scores + torch.einsum("bkid,kijd->bkij", about, codes(x))
        read = (scores.softmax(dim=3) @ value).mT.flatten(1, 2)
        return x + module.gamma * module.out(read.view_as(read).unflatten(2, (h, w)))

    return form


def block(shape: tuple[int, ...]) -> nn.Module:
    """All four terms, with the scale opened."""
    made = FourTerms(shape[1])
    nn.init.constant_(made.gamma, 0.3)
    return made


CASES = (
    Case(
        chapter="spatial/four_terms",
        name="All four terms",
        sizes={f"64 × {s} × {s}": (1, 64, s, s) for s in (8, 16, 24)},
        module=block,
        others={"released": released, "encodings": encodings},
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"encodings": 2.0},
        floors={"released": (None, 3.0), "encodings": (2.0, 20.0)},
        tolerance=1e-9,
    ),
)
