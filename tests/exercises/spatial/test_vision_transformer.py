"""Answers to the exercises on the vision transformer, and what they claim, computed."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F

from attncourse.exercises.spatial.vision_transformer import (
    EXERCISES,
    LISTING,
    SIZES,
    WHO_NOTICES,
)
from attncourse.spatial import VisionTransformer
from attncourse.spatial.vision_transformer import head_read
from tests.contract.specimen import opened
from tests.exercises.answers import Tried, trials


def by_loops(q, k, v, heads):
    d = q.shape[2] // heads
    out = []
    for m in range(heads):
        own = slice(m * d, (m + 1) * d)
        s = q[..., own] @ k[..., own].transpose(1, 2) / d**0.5
        e = torch.exp(s - s.amax(2, keepdim=True))
        out.append(e / e.sum(2, keepdim=True) @ v[..., own])
    return torch.cat(out, -1)


def by_views(q, k, v, heads):
    b, n, c = q.shape
    q, k, v = (t.reshape(b, n, heads, c // heads).permute(0, 2, 1, 3) for t in (q, k, v))
    a = F.softmax(q @ k.transpose(-2, -1) * (c // heads) ** -0.5, -1)
    return (a @ v).permute(0, 2, 1, 3).reshape(b, n, c)


def by_a_cut(q, k, v, heads):
    b, n, c = q.shape
    q, k, v = (t.reshape(b, heads, n, c // heads) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c)


def by_a_cut_and_back(q, k, v, heads):
    b, n, c = q.shape
    q, k, v = (t.reshape(b, heads, n, c // heads) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).reshape(b, n, c)


def fused(q, k, v, heads):
    q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def rolled(maps):
    found = torch.eye(maps.shape[-1]).to(maps)
    for layer in maps:
        step = 0.5 * layer.mean(0) + 0.5 * torch.eye(maps.shape[-1]).to(maps)
        found = step @ found
    return found


def rolled_from_the_end(maps):
    found = torch.eye(maps.shape[-1]).to(maps)
    for layer in reversed(maps):
        found = (found + found @ layer.mean(0)) / 2
    return found


def rolled_by_sums(maps):
    found = None
    for layer in maps:
        A = layer.mean(0) + torch.eye(maps.shape[-1]).to(maps)
        A = A / A.sum(-1, keepdim=True)
        found = A if found is None else A @ found
    return found


def rolled_row_by_row(maps):
    rows = []
    for row in torch.eye(maps.shape[-1]).to(maps):
        for layer in maps.flip(0):
            row = (row + row @ layer.sum(0) / layer.shape[0]) / 2
        rows.append(row)
    return torch.stack(rows)


RIGHT_TABLE = {
    "exchange two patches of the image": "table",
    "exchange two patches, and their rows of the table if there is one": "none",
    "add 7 to every bias of the keys": (),
    "add 7 to every bias of the values": "table and set",
    "exchange two heads in W_q, W_k and W_v, and their columns of W_o": "none",
    "exchange two heads in W_q alone": ["table", "set"],
    "double W_k and halve W_q, biases included": "none",
}

TRIED = {
    "sizes": Tried(
        right={
            "text": "577, 1997574, 145920", "marks": "577, 1,997,574, 145,920",
            "list": [577, 6 * 577**2, 380 * 384],
        },
        wrong={
            "class": ((576, 6 * 576**2, 145_920), "class token"),
            "one": ((577, 577**2, 145_920), "map of its own"),
            "both": ((576, 6 * 576**2, 576 * 384), "Two things"),
            "open": ((577, ..., 145_920), "Still open: number 2"),
        },
    ),
    "multi_head": Tried(
        right={"loops": by_loops, "views": by_views, "fused": fused},
        wrong={
            "detached": (lambda q, k, v, heads: by_loops(q.detach(), k, v, heads), "`.detach()`"),
            "no_grad": (torch.no_grad()(by_views), "`torch.no_grad()`"),
            "negative": (lambda *a: -by_views(*a), "exactly the negative"),
            "flat": (lambda q, k, v, heads: by_loops(q, k, v, 1), "single head of"),
            "cut": (by_a_cut, "cuts tokens up"),
            "cut, not moved": (by_a_cut_and_back, "cuts tokens up"),
            "shape": (lambda *a: by_views(*a)[None], "shape"),
        },
    ),
    "who_notices": Tried(
        right={"text": RIGHT_TABLE},
        wrong={"list": (["table"], "A dictionary is expected")},
    ),
    "lost_line": Tried(right={"number": 5, "text": "line 5"}, wrong={"six": ("f", "gives the")}),
    "rollout": Tried(
        right={"plain": rolled, "end": rolled_from_the_end, "rows": rolled_row_by_row,
               "sums": rolled_by_sums},
        wrong={
            "transposed": (lambda maps: rolled(maps).T, "another order"),
            "shape": (lambda maps: rolled(maps)[None], "shape"),
            "two": (
                lambda maps: reduce(torch.matmul, maps.mean(1)),
                "mistakes at once",
            ),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/vision_transformer", TRIED)


def test_the_table_of_changes_is_what_the_networks_do():
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved = x.clone()
    moved[..., :2, :2], moved[..., 4:6, 2:4] = x[..., 4:6, 2:4], x[..., :2, :2]

    def exchange(t, axis):
        order = list(range(t.shape[axis]))
        order[:3], order[3:6] = order[3:6], order[:3]
        t.copy_(t.index_select(axis, torch.tensor(order)))

    def changed(net, change):
        with torch.no_grad():
            for block in net.blocks:
                a = block.attention
                if change.startswith("add 7"):
                    (a.key if "keys" in change else a.value).bias.add_(7)
                elif "W_o" in change:
                    for layer in (a.query, a.key, a.value):
                        exchange(layer.weight, 0), exchange(layer.bias, 0)
                    exchange(a.out.weight, 1)
                elif "alone" in change:
                    exchange(a.query.weight, 0), exchange(a.query.bias, 0)
                elif change.startswith("double"):
                    for p, factor in ((a.key, 2), (a.query, 0.5)):
                        p.weight.mul_(factor), p.bias.mul_(factor)
            if "rows" in change and net.positions is not None:
                rows = net.positions[0]
                rows[[1, 10]] = rows[[10, 1]]
        return net(moved if "patches" in change else x)

    for change, truth in WHO_NOTICES.truth.items():
        found = set()
        for name, positions in (("table", True), ("set", False)):

            def fresh(positions=positions):
                net = VisionTransformer(8, 2, 1, 5, 6, 2, 2, positions=positions)
                return opened(net.double()).eval()

            if (changed(fresh(), change) - fresh()(x)).abs().max() > 1e-9:
                found.add(name)
        assert found == truth, change


def test_the_listing_goes_wrong_in_its_fifth_line_and_nowhere_else():
    q, k, v = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(2))
    mended = LISTING.replace("(a @ v).flatten(2)", "(a @ v).transpose(1, 2).flatten(2)")
    for body, right in ((LISTING, False), (mended, True)):
        scope = {"q": q, "k": k, "v": v, "heads": 2, "b": 2, "n": 4, "c": 6}
        exec(body, scope)
        assert torch.allclose(scope["y"], head_read(q, k, v, 2), atol=1e-6) == right


def test_sizes_are_computed():
    assert SIZES.truth() == (577, 1_997_574, 145_920)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "sizes", "multi_head", "who_notices", "lost_line", "rollout"
    ]  # fmt: skip
