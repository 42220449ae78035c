r"""Criss-cross attention on maps whose channels come last, and its slow reference.

A position (i, j) has one slot for each position of its column, then one for each of its row.
It stands in both; its slot in the column is closed, so that it counts once.  Letters as in
``module.py``: ``b`` images, ``h`` rows, ``w`` columns, ``d`` and ``c`` channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attncourse.precision import at_least_single, exact, softmax


def cross_map(
    q: Float[Tensor, "b h w d"], k: Float[Tensor, "b h w d"]
) -> Float[Tensor, "b h w h+w"]:
    """Equation (3): one softmax over column and row; the own slot of the column is exactly 0.

    In float32 at least, also under autocast: nothing keeps the products small.
    """
    b, h, w, _ = q.shape
    with exact(q):
        kind = at_least_single(q)
        q, k = q.to(kind), k.to(kind)
        column = _columns(q) @ _columns(k).mT  # b*w h h
        column.diagonal(dim1=1, dim2=2).fill_(-torch.inf)  # in place: no mask, no copy
        row = _rows(q) @ _rows(k).mT  # h*b w w
        both = [column.unflatten(0, (b, w)).permute(2, 0, 1, 3), row.unflatten(0, (h, b))]
        return softmax(torch.cat(both, dim=3), dim=3).transpose(0, 1)


def gather(
    weights: Float[Tensor, "b h w h+w"], v: Float[Tensor, "b h w c"]
) -> Float[Tensor, "b h w c"]:
    """The sum of (4): for each position, the values of its column and row by their weights."""
    b, h, w, _ = v.shape
    column, row = weights.to(v.dtype).split([h, w], dim=3)
    read = (_rows(row) @ _rows(v)).unflatten(0, (h, b))  # h b w c
    more = (_columns(column) @ _columns(v)).unflatten(0, (b, w))  # b w h c
    return (read + more.permute(2, 0, 1, 3)).transpose(0, 1)


def lines_first(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w c"]:
    """Channels last, and rows before images in memory: there, no line has to be copied.

    With strides in the order h, b, w, c both the rows of all images and their columns are one
    batch of matrices, so that one copy of the values serves both products.
    """
    return x.permute(2, 0, 3, 1).contiguous().transpose(0, 1)


def _rows(t: Float[Tensor, "b h w k"]) -> Tensor:
    """All rows as one batch, (h b, w, k)."""
    return t.transpose(0, 1).flatten(0, 1)


def _columns(t: Float[Tensor, "b h w k"]) -> Tensor:
    """All columns as one batch, (b w, h, k)."""
    return t.transpose(1, 2).flatten(0, 1)


def as_map(weights: Float[Tensor, "b h w h+w"]) -> Float[Tensor, "b n n"]:
    """The same weights as one sparse matrix: row = who asks, column = who is read.

    The matrix of two passes is the product of theirs, the second on the left.
    """
    b, h, w, _ = weights.shape
    column, row = weights.split([h, w], dim=3)
    made = weights.new_zeros(b, h, w, h, w)
    made.diagonal(dim1=2, dim2=4).copy_(column.transpose(2, 3))  # b h i w: same column
    made.diagonal(dim1=1, dim2=3).add_(row.movedim(1, 3))  # b w j h: same row
    return made.view(b, h * w, h * w)


def cross_mask(h: int, w: int) -> Bool[Tensor, "n n"]:
    """Which of n = h w positions share a row or a column, themselves included."""
    row = torch.arange(h).repeat_interleave(w)
    column = torch.arange(w).repeat(h)
    return (row[:, None] == row) | (column[:, None] == column)


def criss_cross_reference(
    x: Float[Tensor, "b c h w"],
    wq: Float[Tensor, "d c"],
    bq: Float[Tensor, " d"],
    wk: Float[Tensor, "d c"],
    bk: Float[Tensor, " d"],
    wv: Float[Tensor, "c c"],
    bv: Float[Tensor, " c"],
    gamma: Float[Tensor, " 1"],
    recurrence: int = 2,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (5), one image, one position and one member of its cross at a time."""
    for _ in range(recurrence):  # (5)
        images = []
        for image in x:
            h, w = image.shape[1:]
            places = [(i, j) for i in range(h) for j in range(w)]
            q = {p: wq @ image[:, p[0], p[1]] + bq for p in places}  # (1)
            k = {p: wk @ image[:, p[0], p[1]] + bk for p in places}
            v = {p: wv @ image[:, p[0], p[1]] + bv for p in places}
            pixels = []
            for i, j in places:
                cross = [(m, j) for m in range(h) if m != i] + [(i, m) for m in range(w)]  # (2)
                logits = torch.stack([(q[i, j] * k[p]).sum() for p in cross])
                powers = torch.exp(logits - logits.max())
                weights = powers / powers.sum()  # (3)
                read = torch.zeros_like(v[i, j])
                for weight, p in zip(weights, cross, strict=True):
                    read = read + weight * v[p]
                pixels.append(image[:, i, j] + gamma * read)  # (4)
            images.append(torch.stack(pixels, dim=1).view_as(image))
        x = torch.stack(images)
    return x
