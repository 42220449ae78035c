"""Answers to the exercises on coordinate attention, triplet attention and SimAM."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import nn

from attncourse.channel import SqueezeExcitation
from attncourse.channel_spatial import CoordinateAttention
from attncourse.exercises.channel_spatial.coordinate_attention.questions import (
    COUNTS,
    EXERCISES,
    FLOOR,
    REMEDIES,
)
from tests.exercises.answers import Tried, trials


def lines(x, w1, b1, w2, b2, w3, b3):
    def gate(z, w, b):
        u = F.hardswish(F.linear(z.mT, w1, b1))
        return F.linear(u, w, b).sigmoid().mT

    return gate(x.mean(3), w2, b2).unsqueeze(3) * gate(x.mean(2), w3, b3).unsqueeze(2)


def lines_as_released(x, w1, b1, w2, b2, w3, b3):
    (h, w), conv = x.shape[2:], lambda z, a, b: F.conv2d(z, a[..., None, None], b)
    of_h = F.adaptive_avg_pool2d(x, (h, 1))
    of_w = F.adaptive_avg_pool2d(x, (1, w)).permute(0, 1, 3, 2)
    t = conv(torch.cat([of_h, of_w], dim=2), w1, b1)
    u_h, u_w = torch.split(t * F.relu6(t + 3) / 6, [h, w], dim=2)
    return conv(u_h, w2, b2).sigmoid() * conv(u_w.permute(0, 1, 3, 2), w3, b3).sigmoid()


def lines_with(bend, squash=torch.sigmoid):
    def made(x, w1, b1, w2, b2, w3, b3):
        gates = [
            squash(w @ bend(w1 @ z + b1[:, None]) + b[:, None])
            for z, w, b in ((x.mean(3), w2, b2), (x.mean(2), w3, b3))
        ]
        return gates[0][..., None] * gates[1][:, :, None]

    return made


def side(x, kernel):
    two = torch.stack([x.max(3).values, x.mean(3)], 1).transpose(2, 3)
    return F.conv2d(two, kernel, padding="same")[:, 0].sigmoid()


def side_by_unfold(x, kernel):
    k, (b, c, h, _) = kernel.shape[-1], x.shape
    two = torch.stack([x.amax(3), x.mean(3)], 1).mT
    windows = F.unfold(two, k, padding=k // 2)
    return torch.einsum("bpn,p->bn", windows, kernel.flatten()).sigmoid().view(b, h, c)


def side_turned(x, kernel):
    two = torch.stack([x.amax(3), x.mean(3)], 1)
    return F.conv2d(two, kernel, padding=kernel.shape[-1] // 2)[:, 0].sigmoid().mT


def gates(x, ridge):
    d = (x - x.mean((-2, -1), keepdim=True)).square()
    n = x.shape[-1] * x.shape[-2]
    return (d / (4 * (d.sum((-2, -1), keepdim=True) / (n - 1) + ridge)) + 0.5).sigmoid()


def gates_cancelling(x, ridge):
    mean, n = x.mean((2, 3), keepdim=True), x.shape[2] * x.shape[3]
    v = (x.square().mean((2, 3), keepdim=True) - mean.square()).clamp_min(0) * n / (n - 1)
    return ((x - mean).square() / (4 * (v + ridge)) + 0.5).sigmoid()


def gates_flat(x, ridge):
    f = x.flatten(2)
    v, mu = f.var(2, keepdim=True), f.mean(2, keepdim=True)
    return (1 / (1 + torch.exp(-((f - mu) ** 2) / (4 * (v + ridge)) - 0.5))).view_as(x)


TABLE = {what: ", ".join(labels) for what, labels in REMEDIES.items()}
same = itertools.cycle(["equal.", "same", "must be equal", "Equal"])
unlike = itertools.cycle(["differ", "different", "can be different"])
TRIED = {
    "lines": Tried(
        right={"linear": lines, "released": lines_as_released, "matrices": lines_with(F.hardswish)},
        wrong={
            "detached": (lambda x, *a: lines(x.detach(), *a), "`.detach()`"),
            "negative": (lambda *a: -lines(*a), "exactly the negative"),
            "relu": (lines_with(F.relu), "`F.hardswish`"),
            "swish": (lines_with(F.silu), "the hard one"),
            "linear": (lines_with(lambda t: t), "a bend is missing"),
            "exchanged": (
                lambda x, w1, b1, w2, b2, w3, b3: lines(x, w1, b1, w3, b3, w2, b2),
                "belong to rows",
            ),
            "one layer": (
                lambda x, w1, b1, w2, b2, w3, b3: lines(x, w1, b1, w2, b2, w2, b2), "w3 and b3",
            ),
            "times x": (lambda x, *a: x * lines(x, *a), "leave out the product with x"),
            "no b1": (
                lambda x, w1, b1, *a: lines(x, w1, torch.zeros_like(b1), *a), "its bias b1",
            ),
            "no b2, b3": (
                lambda x, w1, b1, w2, b2, w3, b3: lines(x, w1, b1, w2, 0 * b2, w3, 0 * b3),
                "b2 for rows",
            ),
            "no biases": (
                lambda x, w1, b1, w2, b2, w3, b3: lines(x, w1, 0 * b1, w2, 0 * b2, w3, 0 * b3),
                "b1, b2 and b3",
            ),
            "hard sigmoid": (
                lambda *a: lines_with(F.hardswish, F.hardsigmoid)(*a), "the hard sigmoid",
            ),
            "axes of the mean": (
                lambda x, *a: lines(x.mT, *a).mT, "the axes of the means have",
            ),
        },
    ),
    "ghosts": Tried(
        right={
            "text": TABLE,
            "lists": {k: sorted(v) for k, v in REMEDIES.items()},
            "other words": {
                k: {"equal": next(same), "can differ": next(unlike)}[min(v)]
                for k, v in REMEDIES.items()
            },
        },
        wrong={
            "list": (["equal"], "A dictionary is expected"),
            "depth": (TABLE | {"ten blocks of coordinate attention": "can differ"}, "stay alike"),
            "SE": (TABLE | {"coordinate attention, then SE": "differ"}, "SE multiplies"),
            "a long reach": (
                TABLE | {"a 3x3 convolution in front: the middle": "can differ"}, "sees one",
            ),
        },
    ),
    "side": Tried(
        right={"same": side, "unfold": side_by_unfold},
        wrong={
            "detached": (lambda x, k: side(x.detach(), k), "`.detach()`"),
            "negative": (lambda *a: -side(*a), "exactly the negative"),
            "turned": (side_turned, "run along the channels"),
            "hard": (lambda *a: F.hardsigmoid(side(*a).logit()), "the hard sigmoid"),
            "upside down": (lambda x, k: side(x, k.flip(2, 3)), "half a turn"),
            "crossed": (lambda x, k: side(x, k.mT), "run along the channels"),
            "mean first": (lambda x, k: side(x, k.flip(1)), "the other way round"),
            "logits": (lambda *a: side(*a).logit(), "logits"),
            "shape": (lambda *a: side(*a)[:, None], "shape"),
            "not turned back": (lambda *a: side(*a).mT, "axes in another order"),
        },
    ),
    "simam_gates": Tried(
        right={"squares": gates, "flat": gates_flat},
        wrong={
            "detached": (lambda x, r: gates(x.detach(), r), "`.detach()`"),
            "negative": (lambda *a: -gates(*a), "exactly the negative"),
            "cancelling": (gates_cancelling, "digits are lost"),
            "times x": (lambda x, r: x * gates(x, r), "leave out the product with x"),
            "no ridge": (lambda x, r: gates(x, 0 * r), "added to v"),
            "half outside": (
                lambda *a: (gates(*a).logit() - 0.5).sigmoid() + 0.5, "stands inside",
            ),
            "deviation": (
                lambda x, r: ((x - x.mean((2, 3), keepdim=True)).square()
                / (4 * (x.std((2, 3), keepdim=True) + r)) + 0.5).sigmoid(),
                "the standard deviation",
            ),
            "e(t)": (lambda *a: 1 / gates(*a).logit(), "You return the energy"),
            "no half": (lambda *a: (gates(*a).logit() - 0.5).sigmoid(), "½"),
            "population": (
                lambda x, r: ((x - x.mean((2, 3), keepdim=True)).square()
                / (4 * (x.var((2, 3), correction=0, keepdim=True) + r)) + 0.5).sigmoid(),
                "divides by N.",
            ),
            "importance": (lambda *a: gates(*a).logit(), "one over the energy"),
            "the energy": (lambda *a: (1 / gates(*a).logit()).sigmoid(), "a *small* energy"),
        },
    ),
    "counts": Tried(
        right={"text": "3352, 25648, 300", "list": [3352, 25648, 300]},
        wrong={
            "order": ((25648, 3352, 300), "another order"),
            "open": ((3352, ..., 300), "Still open: number 2"),
            "four": ((1804, 25648, 300), "8 at least"),
            "no norm": ((3336, 25616, 294), "normalised"),
            "kernel biases": ((3352, 25648, 303), "no bias"),
        },
    ),
    "floor": Tried(
        right={"text": "0.622, 4.12", "list": [0.6225, 4.118]},
        wrong={
            "half": ((0.5, 6.02), "σ(½)"),
            "power": ((0.622, 2.06), "20 log10"),
            "open": ((0.622, ...), "Still open: number 2"),
            "too low": ((0.618, 4.12), "number 1"),
            "too high": ((0.625, 4.12), "number 1"),
            "near": ((0.622, 4.115), "number 2"),
            "negative": ((0.622, -4.12), "above zero"),
            "few digits": ((0.622, 4.1), "rounded too far"),
            "turned round": ((0.378, 8.46), "is added in (11)"),
            "text": (("σ(½)", "4.12"), "cannot be read as number 1"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel_spatial/coordinate_attention", TRIED)


def test_counts_and_floor_are_what_the_text_says():
    assert COUNTS.truth() == (3352.0, 25648.0, 300.0)
    least, decibels = FLOOR.truth()
    assert math.isclose(least, 0.62246, abs_tol=1e-5)
    assert math.isclose(decibels, 4.1178, abs_tol=1e-4)


STARTS = (3, 14), (4, 15)  # the first inside row of each box, and column


def two_boxes(colours):
    """Boxes of 7 x 7 in 24 x 24, two lines and more from each other and from the border."""
    x = torch.zeros(1, 2, 24, 24, dtype=torch.float64)
    for channel, (top, left) in enumerate(((2, 3), (13, 14))):
        x[0, channel, top : top + 7, left : left + 7] = 1
        x[0, channel, top + 1 : top + 6, left + 1 : left + 6] = 0
    return x if colours else x.sum(1, keepdim=True)


def test_the_table_of_remedies_by_trying_them():
    """Random weights, both modes: pixels inside and in ghosts, equal or not, as the table says."""

    def net(given, *parts, kernel=1):
        first = nn.Conv2d(given, 8, kernel, padding=kernel // 2)
        return nn.Sequential(first, nn.ReLU(), *parts, nn.Conv2d(8, 1, 1)).double()

    def block():
        return CoordinateAttention(8)

    class Bent(nn.Module):
        def forward(self, x):
            return x + F.relu(x.mean(3, keepdim=True) - 0.01) + x.mean(2, keepdim=True)

    def between():
        return nn.Conv2d(8, 8, 1), nn.ReLU()

    torch.manual_seed(0)
    local = net(1, block(), *between(), block(), *between(), kernel=3)
    nets = {
        "ten blocks of coordinate attention": net(1, *(block() for _ in range(10))),
        "coordinate attention, then SE": net(1, block(), SqueezeExcitation(8, 2)),
        "a 3x3 convolution in front: beside the outline": local,
        "a 3x3 convolution in front: the middle": local,
        "each box in a channel of its own": net(2, block(), *between()),
        "a ReLU behind the row means": net(1, Bent(), *between()),
    }
    assert nets.keys() == REMEDIES.keys()
    for what, made in nets.items():
        x = two_boxes(colours="channel" in what)
        kept = [1, 2, 3] if "middle" in what else [0, 4] if "beside" in what else range(5)
        for training in (False, True):
            with torch.no_grad():
                out = made.train(training)(x)[0, 0]
            rows, columns = ([[first + n for n in kept] for first in box] for box in STARTS)
            inside, other = out[rows[0]][:, columns[0]], out[rows[1]][:, columns[1]]
            ghost = out[rows[0]][:, columns[1]]
            apart = (torch.stack([inside, other]) - ghost).abs().max() / out.std()
            assert (apart < 1e-9) if "equal" in REMEDIES[what] else (apart > 1e-3), (what, apart)


def test_the_chapter_has_its_six():
    names = ["lines", "ghosts", "side", "simam_gates", "counts", "floor"]
    assert [e.name for e in EXERCISES] == names
