"""Answers to the exercises on the four terms, and what the exercises claim, computed."""

from __future__ import annotations

import torch

from attncourse.exercises.spatial.four_terms import COUNT, EXERCISES
from attncourse.spatial.four_terms import relative_code
from tests.exercises.answers import Tried, trials


def added_first(q, k, rho, u, u_place):
    return torch.einsum("id,jd->ij", q + u, k) + ((q + u_place)[:, None] * rho).sum(dim=2)


def longer(q, k, rho, u, u_place):
    asks = torch.cat([q + u, q + u_place], dim=1)[:, None]
    asked = torch.cat([k.expand(len(q), -1, -1), rho], dim=2)
    return (asks * asked).sum(-1)


def by_matmul(q, k, rho, u, u_place):
    return q @ k.T + (rho @ q[..., None])[..., 0] + k @ u + rho @ u_place


def turned(r, place, wave):
    s, c = r[:, : len(wave)], r[:, len(wave) :]
    b = torch.outer(place, wave)
    return torch.cat([s * b.cos() + c * b.sin(), c * b.cos() - s * b.sin()], dim=-1)


def turned_by_einsum(r, place, wave):
    b = torch.einsum("n,f->nf", place, wave)
    s, c = r.reshape(len(r), 2, -1).unbind(1)
    return torch.stack([s * b.cos() + c * b.sin(), c * b.cos() - s * b.sin()], 1).flatten(1)


TRIED = {
    "scores": Tried(
        right={"added": added_first, "longer": longer, "matmul": by_matmul},
        wrong={
            "detached": (lambda q, *a: by_matmul(q.detach(), *a), "`.detach()`"),
            "no_grad": (torch.no_grad()(by_matmul), "`torch.no_grad()`"),
            "negative": (lambda *a: -by_matmul(*a), "exactly the negative"),
            "three": (
                lambda q, k, rho, u, v: by_matmul(q, k, rho, u, v) - q @ k.T,
                "contents as well",
            ),
            "softmax": (lambda *a: by_matmul(*a).softmax(1), ""),
            "shape": (lambda *a: by_matmul(*a)[None], "shape"),
        },
    ),
    "which": Tried(
        right={
            "text": {
                "read the cell below": "fourth",
                "read the cell with the largest number in channel 3": "third",
                "read the cell whose key is the opposite of my code": ["first"],
                "read the cell two steps to where my arrow (one of four) points": ("second",),
                "read the mean of all cells": "first, second, third and fourth",
            }
        },
        wrong={"list": (["first"], "A dictionary is expected")},
    ),
    "count": Tried(
        right={
            "text": "0.0667, 0.3333, 0.46875",
            "list": [1 / 15, 1 / 3, 15 / 32],
            "rounded": (0.07, 0.33, 0.47),
        },
        wrong={
            "order": ((1 / 3, 1 / 15, 15 / 32), "another order"),
            "oneself": ((1 / 16, 1 / 3, 15 / 32), "15 others"),
            "open": ((1 / 15, ..., 15 / 32), "Still open: number 2"),
        },
    ),
    "turned": Tried(
        right={"outer": turned, "einsum": turned_by_einsum},
        wrong={
            "detached": (lambda r, p, w: turned(r.detach(), p, w), "`.detach()`"),
            "negative": (lambda *a: -turned(*a), "exactly the negative"),
            "shape": (lambda *a: turned(*a)[None], "shape"),
        },
    ),
    "half": Tried(right={"letter": "c", "text": "C"}, wrong={"fourth": ("d", "stands anywhere")}),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/four_terms", TRIED)


def test_a_turned_query_reads_displacements_off_places():
    """With the waves of the chapter's code."""
    generator = torch.Generator().manual_seed(1)
    r = torch.randn(6, 8, dtype=torch.float64, generator=generator)
    place = torch.arange(6, dtype=torch.float64)
    wave = 1000.0 ** (-torch.arange(4, dtype=torch.float64) / 4)
    absolute = turned(r, place, wave) @ relative_code(place, 8).mT
    apart = relative_code((place[None] - place[:, None]).flatten(), 8).view(6, 6, 8)
    torch.testing.assert_close(absolute, torch.einsum("id,ijd->ij", r, apart))


def test_counts_by_enumeration():
    """On 4 x 4 cells, pair by pair."""
    cells = [(i, j) for i in range(4) for j in range(4)]
    near = {a: [b for b in cells if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1] for a in cells}
    pairs = [1 / len(near[a]) for a in cells for _ in near[a]]
    others, neighbours, half = COUNT.truth()
    assert others == 1 / (len(cells) - 1)
    assert abs(neighbours - sum(pairs) / len(pairs)) < 1e-12
    factor = torch.linspace(0, 2, 20_001, dtype=torch.float64)
    error = ((1 - factor).square() + 1 + factor.square() / 15) / 2
    assert abs(half - (1 - error.min().item())) < 1e-6


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == ["scores", "which", "count", "turned", "half"]
