r"""The relative code, the four terms, the fast form, and the slow reference.

Letters as in ``module.py``: ``b`` images, ``n`` positions that ask, ``m`` positions that are asked,
``k`` heads of width ``d``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.transforms import fused_attention

#: The longest wave of the relative code is this many times the shortest, which has 2 pi pixels.
WAVES = 1_000.0
Project = Callable[[Tensor], Tensor]


class Lines(NamedTuple):
    """What a relative position is worth along one axis, (asks, is asked, heads, d)."""

    rows: Tensor
    columns: Tensor


def relative_code(
    displacement: Float[Tensor, " n"], channels: int
) -> Float[Tensor, "n {channels}"]:
    """Equation (4) along one axis: sines, then cosines, of ``channels / 2`` falling frequencies."""
    half = channels // 2
    step = torch.arange(half, device=displacement.device, dtype=displacement.dtype) / half
    angle = displacement[:, None] / WAVES**step
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def line(
    asks: int, asked: int, stride: int, channels: int, project: Project, heads: int, like: Tensor
) -> Float[Tensor, "n m k d"]:
    """The projected code of every pair along one axis.

    Each displacement is projected once: there are ``asks + stride (asked - 1)`` of them.
    """
    here = torch.arange(asks, device=like.device)
    there = stride * torch.arange(asked, device=like.device)
    reach = torch.arange(asks + stride * (asked - 1), device=like.device) - (asks - 1)
    worth = project(relative_code(reach.to(like.dtype), channels)) / math.sqrt(2)
    return worth.unflatten(1, (heads, -1))[there - here[:, None] + (asks - 1)]


def along_lines(
    q: Float[Tensor, "b k h w d"], lines: Lines
) -> tuple[Float[Tensor, "b k n r"], Float[Tensor, "b k n s"]]:
    """What each position gives for every row and for every column, instead of for every pair."""
    rows = torch.einsum("bkhwd,hrkd->bkhwr", q, lines.rows)
    columns = torch.einsum("bkhwd,wskd->bkhws", q, lines.columns)
    return rows.flatten(2, 3), columns.flatten(2, 3)


def relative_scores(q: Float[Tensor, "b k h w d"], lines: Lines) -> Float[Tensor, "b k n m"]:
    """The second or the fourth term for all pairs: a row's number plus a column's."""
    rows, columns = along_lines(q, lines)
    return (rows[..., :, None] + columns[..., None, :]).flatten(3)


def fused_read(
    content: Float[Tensor, "#b k n d"] | None,
    places: tuple[Float[Tensor, "#b k n r"], Float[Tensor, "#b k n s"]] | None,
    keys: Float[Tensor, "b k m d"] | None,
    values: Float[Tensor, "b k m e"],
    *,
    who: str,
) -> Float[Tensor, "b k n e"]:
    """Equation (5): every term as one product of longer queries and keys, in the fused kernel.

    A key says in which row and column it stands, by ones and zeros; a query brings what it gives
    for each.  No number is held for a pair.

    Args:
        content: queries for contents, or none.
        places: what every query gives for rows and for columns, or none.
        keys: of contents, with ``content``.
        values: what is read.
        who: named in the error about second derivatives.
    """
    b, heads, _, width = values.shape
    asks, asked = [], []
    if content is not None and keys is not None:
        asks.append(content.expand(b, -1, -1, -1))
        asked.append(keys)
    if places is not None:
        rows, columns = places
        own = _standing(rows.shape[3], columns.shape[3], values)
        asks += [rows.expand(b, -1, -1, -1), columns.expand(b, -1, -1, -1)]
        asked.append(own.expand(b, heads, -1, -1))
    q, k = torch.cat(asks, dim=3), torch.cat(asked, dim=3)
    wide = max(q.shape[3], width)  # the kernel of a processor wants one width of all three
    q, k, v = (F.pad(t, (0, wide - t.shape[3])).flatten(0, 1) for t in (q, k, values))
    return fused_attention(q, k, v, who=who)[..., :width].unflatten(0, (b, heads))


def _standing(rows: int, columns: int, like: Tensor) -> Float[Tensor, "m rs"]:
    """A one for the row and a one for the column of each position, in reading order."""
    down = torch.eye(rows, device=like.device, dtype=like.dtype)
    across = torch.eye(columns, device=like.device, dtype=like.dtype)
    both = [
        down[:, None].expand(-1, columns, -1), across.expand(rows, -1, -1)
    ]  # fmt: skip
    return torch.cat(both, dim=2).flatten(0, 1)


def four_terms_reference(
    x: Float[Tensor, "b c h w"],
    weights: Mapping[str, Tensor],
    *,
    heads: int,
    terms: str,
    stride: int,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (4), one image, head, position and key at a time.

    Args:
        x: the features.
        weights: the module's parameters by the names that it gives them.
        heads: number of heads.
        terms: which terms count, such as ``"1111"``.
        stride: of the positions that are asked.
    """
    wv, wo = weights["value.weight"].flatten(1), weights["out.weight"].flatten(1)
    width, (h, w) = len(wv) // heads, x.shape[2:]

    def part(name: str, head: int) -> Tensor:
        return weights[name].flatten(1)[head * width : (head + 1) * width]

    def bias(name: str, head: int) -> Tensor:
        return weights[name][head * width : (head + 1) * width]

    def code(distance: int, channels: int) -> Tensor:
        waves = [distance / WAVES ** (f / (channels // 2)) for f in range(channels // 2)]
        return x.new_tensor([math.sin(a) for a in waves] + [math.cos(a) for a in waves])

    def score(image: Tensor, head: int, i: tuple[int, int], j: tuple[int, int]) -> Tensor:
        total, own, other = x.new_zeros(()), image[:, i[0], i[1]], image[:, j[0], j[1]]
        relative = x.new_zeros(width)
        if terms[1] == "1" or terms[3] == "1":
            for axis, name in enumerate(("rows.weight", "columns.weight")):
                table = part(name, head)
                step = code(j[axis] - i[axis], table.shape[1])
                relative = relative + table @ step / math.sqrt(2)
        if terms[0] == "1":
            total = total + (part("query.weight", head) @ own) @ (part("key.weight", head) @ other)
        if terms[1] == "1":
            total = total + (part("query.weight", head) @ own) @ relative
        if terms[2] == "1":
            total = total + bias("content_bias", head) @ (part("key.weight", head) @ other)
        if terms[3] == "1":
            total = total + bias("place_bias", head) @ relative
        return total

    asked = [(r, s) for r in range(0, h, stride) for s in range(0, w, stride)]
    images = []
    for image in x:
        columns = []
        for i in [(r, s) for r in range(h) for s in range(w)]:
            read = []
            for head in range(heads):
                scores = torch.stack([score(image, head, i, j) for j in asked])
                powers = torch.exp(scores - scores.max())
                share = powers / powers.sum()
                read.append(
                    sum(a * (wv[head * width : (head + 1) * width] @ image[:, j[0], j[1]])
                        for a, j in zip(share, asked, strict=True))
                )  # fmt: skip
            summed = wo @ torch.cat(read) + weights["out.bias"]
            columns.append(image[:, i[0], i[1]] + weights["gamma"] * summed)
        images.append(torch.stack(columns, dim=1).view_as(image))
    return torch.stack(images)
