"""Answers to the exercises on CBAM, BAM and scSE, and what the exercises claim, computed."""

from __future__ import annotations

import itertools

import torch

from attncourse.exercises.channel_spatial.convolutional_block_attention.questions import (
    CEILINGS,
    COUNTS,
    EXERCISES,
    PICTURES,
)
from tests.exercises.answers import Tried, trials


def gates(x, w1, b1, w2, b2):
    total = 0
    for z in (x.mean((2, 3)), x.amax((2, 3))):
        total = total + torch.relu(z @ w1.T + b1) @ w2.T + b2
    return total.sigmoid()


def gates_by_einsum(x, w1, b1, w2, b2):
    z = torch.stack([x.mean(dim=(-2, -1)), x.amax(dim=(-2, -1))])
    hidden = (torch.einsum("sbc,dc->sbd", z, w1) + b1).clamp(min=0)
    return torch.sigmoid((torch.einsum("sbd,cd->sbc", hidden, w2) + b2).sum(0))


def logits(z, w1, b1, w2, b2):
    return torch.relu(z @ w1.T + b1) @ w2.T + b2


def of_two(meet):
    """Gates from the logits of the mean and of the largest."""
    return lambda x, *a: meet(logits(x.mean((2, 3)), *a), logits(x.amax((2, 3)), *a))


def replicated(x, kernel):
    two = torch.stack([x.amax(1), x.mean(1)], 1)
    two = torch.nn.functional.pad(two, [kernel.shape[-1] // 2] * 4, mode="replicate")
    return torch.nn.functional.conv2d(two, kernel)[:, 0].sigmoid()


def of_the_mean(x, kernel):
    one = x.mean(1, keepdim=True)
    pad = kernel.shape[-1] // 2
    return torch.nn.functional.conv2d(one, kernel[:, 1:], padding=pad)[:, 0].sigmoid()


def positions(x, kernel):
    k = kernel.shape[-1]
    two = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
    return torch.nn.functional.conv2d(two, kernel, padding=(k - 1) // 2).sigmoid()[:, 0]


def positions_by_einsum(x, kernel):
    k, (b, _, h, w) = kernel.shape[-1], x.shape
    two = torch.stack([x.amax(1), x.mean(1)], 1)
    windows = torch.nn.functional.unfold(two, k, padding=k // 2)
    return torch.einsum("bpn,p->bn", windows, kernel.flatten()).sigmoid().view(b, h, w)


def left(gates):
    s = gates.logit()
    return s - s.mean(1, keepdim=True) - s.mean(2, keepdim=True) + s.mean((1, 2), keepdim=True)


def left_in_loops(gates):
    found = []
    for image in gates:
        s = torch.logit(image)
        s = s - torch.stack([row.mean() for row in s])[:, None]
        found.append(s - torch.stack([column.mean() for column in s.T]))
    return torch.stack(found)


TABLE = {picture: ", ".join(sorted(labels)) or "none" for picture, labels in PICTURES.items()}
TRIED = {
    "gates": Tried(
        right={"loop": gates, "einsum": gates_by_einsum},
        wrong={
            "detached": (lambda x, *a: gates(x.detach(), *a), "`.detach()`"),
            "no_grad": (torch.no_grad()(gates), "`torch.no_grad()`"),
            "one sign": (lambda x, w, b, *rest: gates(x, w, b.abs(), *rest), "differ"),
            "negative": (lambda *a: -gates(*a), "exactly the negative"),
            "four axes": (lambda *a: gates(*a)[:, :, None, None], "shape"),
            "mean twice": (
                lambda x, *a: gates(x.mean((2, 3), keepdim=True), *a), "the mean for both",
            ),
            "half": (lambda *a: 0.5 * gates(*a), ""),
            "mean of gates": (of_two(lambda m, t: (m.sigmoid() + t.sigmoid()) / 2), "their mean"),
            "product": (of_two(lambda m, t: m.sigmoid() * t.sigmoid()), "You multiply"),
            "logits halved": (of_two(lambda m, t: ((m + t) / 2).sigmoid()), "their sum"),
            "mean alone": (of_two(lambda m, t: m.sigmoid()), "as SE does"),
            "largest alone": (of_two(lambda m, t: t.sigmoid()), "the largest alone"),
            "sum": (
                lambda x, *a: (
                    logits(x.sum((2, 3)), *a) + logits(x.amax((2, 3)), *a)).sigmoid(), "their mean",
            ),
        },
    ),
    "order": Tried(
        right={"text": TABLE, "lists": {k: sorted(v) for k, v in PICTURES.items()}},
        wrong={
            "list": (["channels"], "A dictionary is expected"),
            "smear": (TABLE | {"A = 1 0 1 0, B = 0 1 1 0": "channels"}, "by its numbers"),
        },
    ),
    "positions": Tried(
        right={"released": positions, "einsum": positions_by_einsum},
        wrong={
            "detached": (lambda x, k: positions(x.detach(), k), "`.detach()`"),
            "negative": (lambda *a: -positions(*a), "exactly the negative"),
            "shape": (lambda *a: positions(*a)[:, None], "shape"),
            "mean first": (lambda x, k: positions(x, k.flip(1)), "the other way round"),
            "no padding": (
                lambda x, k: torch.nn.functional.conv2d(
                    torch.stack([x.amax(1), x.mean(1)], 1), k[:, :, :1, :1]).sigmoid()[:, 0], "",
            ),
            "logits": (lambda *a: positions(*a).logit(), "logits"),
            "replicate": (replicated, "zeros stand beyond"),
            "crossed": (lambda x, k: positions(x, k.transpose(2, 3)), "rows and columns"),
            "mean alone": (of_the_mean, "the mean alone"),
            "exchanged": (lambda *a: 1 - positions(*a), "1 - m"),
        },
    ),
    "counts": Tried(
        right={"text": "2284, 4457, 16705", "list": [2284, 4457, 16705]},
        wrong={
            "order": ((4457, 2284, 16705), "another order"),
            "open": ((2284, ..., 16705), "Still open: number 2"),
            "no norms in BAM": ((2284, 4393, 16705), "four normalisations"),
            "half of its norms": ((2284, 4425, 16705), "four normalisations"),
            "no norm in CBAM": ((2282, 4457, 16705), "one map is normalised"),
            "all twice": ((4470, 4457, 16705), "count once"),
        },
    ),
    "ceilings": Tried(
        right={"text": "0.75, 0.75, 0.875", "list": [3 / 4, 3 / 4, 7 / 8]},
        wrong={"coin": ((0.5, 0.5, 0.75), "its own majority"),
               "open": ((0.75, ..., 0.875), "Still open: number 2")},
    ),
    "left": Tried(
        right={"one step": left, "loops": left_in_loops},
        wrong={
            "detached": (lambda g: left(g.detach()), "`.detach()`"),
            "negative": (lambda g: -left(g), "exactly the negative"),
            "shape": (lambda g: left(g)[None], "shape"),
            "gates": (lambda g: left(g.sigmoid()), "take the logits"),
        },
    ),
}  # fmt: skip
# fmt: off
test_right_answers, test_wrong_answers = trials("channel_spatial/convolutional_block_attention", TRIED)  # noqa: E501
# fmt: on


def test_ceilings_by_enumeration():
    """All signs of the others, the relevant one being +1."""

    def majority(k):
        totals = [1 + sum(others) for others in itertools.product((-1, 1), repeat=k - 1)]
        return sum(1.0 if t > 0 else 0.5 if t == 0 else 0.0 for t in totals) / len(totals)

    assert CEILINGS.truth() == (majority(3), majority(2), (1 + majority(3)) / 2)
    assert majority(4) == 11 / 16


def test_pictures_by_their_statistics():
    for picture, truth in PICTURES.items():
        rows = [[int(n) for n in part.split("=")[1].split()] for part in picture.split(",")]
        tells = {
            "channels": len({(sum(row), max(row)) for row in rows}) > 1,
            "positions": len({(sum(c), max(c)) for c in zip(*rows, strict=True)}) > 1,
        }
        assert truth == {name for name, differ in tells.items() if differ}


def test_counts_are_what_the_text_says():
    assert COUNTS.truth() == (2284.0, 4457.0, 16705.0)


def test_the_chapter_has_its_six():
    names = ["gates", "order", "positions", "counts", "ceilings", "left"]
    assert [e.name for e in EXERCISES] == names
