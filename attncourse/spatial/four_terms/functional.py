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
WAVES = 1_000
Project = Callable[[Tensor], Tensor]


class Lines(NamedTuple):
    """What a relative position is worth along one axis, (asks, is asked, heads, d)."""

    rows: Tensor
    columns: Tensor


def relative_code(
    displacement: Float[Tensor, " n"], channels: int
) -> Float[Tensor, "n {channels}"]:
    """``R`` of (3) along one axis: sines, then cosines, of ``channels / 2`` falling frequencies."""
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
    """Equation (10): every term as one product of longer queries and keys, in the fused kernel.

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
    return fused_attention(q, k, v, 1.0, who=who)[..., :width].unflatten(0, (b, heads))


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
    """Equations (1) to (3), one image, head, position and key at a time.

    Args:
        x: the features.
        weights: the module's parameters by the names that it gives them.
        heads: number of heads.
        terms: which terms count, such as ``"1111"``.
        stride: of the positions that are asked.
    """
    pair, asks, content, place = (bit == "1" for bit in terms)
    wo, (h, w) = weights["out.weight"].flatten(1), x.shape[2:]
    asking = [(r, s) for r in range(h) for s in range(w)]
    asked = [(r, s) for r in range(0, h, stride) for s in range(0, w, stride)]

    def part(name: str, head: int) -> Tensor:
        """A head's rows of a weight, or its numbers of a bias."""
        return weights[name].flatten(1 if weights[name].ndim > 1 else 0).chunk(heads)[head]

    def codes(name: str, head: int) -> dict[int, Tensor]:
        """(3): what every displacement along an axis means to a head."""
        table, found = part(name, head), {}
        half = table.shape[1] // 2
        for step in range(1 - max(h, w), max(h, w)):
            waves = [step / WAVES ** (f / half) for f in range(half)]
            code = x.new_tensor([math.sin(a) for a in waves] + [math.cos(a) for a in waves])
            found[step] = table @ code / math.sqrt(2)
        return found

    images = []
    for image in x:
        read: dict[tuple[int, int], list[Tensor]] = {i: [] for i in asking}
        for head in range(heads):
            at = {p: image[:, p[0], p[1]] for p in asking}
            v = {j: part("value.weight", head) @ at[j] for j in asked}
            if pair or asks:
                q = {i: part("query.weight", head) @ at[i] for i in asking}
            if pair or content:
                k = {j: part("key.weight", head) @ at[j] for j in asked}
            if asks or place:
                down, across = codes("rows.weight", head), codes("columns.weight", head)
            for i in asking:
                scores = []
                for j in asked:  # (1)
                    score = x.new_zeros(())
                    if asks or place:
                        relative = down[j[0] - i[0]] + across[j[1] - i[1]]
                    if pair:
                        score = score + q[i] @ k[j]
                    if asks:
                        score = score + q[i] @ relative
                    if content:
                        score = score + part("content_bias", head) @ k[j]
                    if place:
                        score = score + part("place_bias", head) @ relative
                    scores.append(score)
                powers = torch.exp(torch.stack(scores) - max(scores))
                share = powers / powers.sum()  # (2)
                read[i].append(share @ torch.stack([v[j] for j in asked]))
        columns = []
        for i in asking:  # (2), its second line
            summed = wo @ torch.cat(read[i]) + weights["out.bias"]
            columns.append(image[:, i[0], i[1]] + weights["gamma"] * summed)
        images.append(torch.stack(columns, dim=1).view_as(image))
    return torch.stack(images)
