"""Answers to the exercises on coordinate attention, triplet attention and SimAM."""

from __future__ import annotations

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
from attncourse.tasks.base import seeded
from attncourse.tasks.fill_the_box import GHOST, INSIDE, FillTheBox
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


def lines_with(bend):
    def made(x, w1, b1, w2, b2, w3, b3):
        gates = [
            (w @ bend(w1 @ z + b1[:, None]) + b[:, None]).sigmoid()
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


def energy(x, ridge):
    d = (x - x.mean((-2, -1), keepdim=True)).square()
    n = x.shape[-1] * x.shape[-2]
    return (d / (4 * (d.sum((-2, -1), keepdim=True) / (n - 1) + ridge)) + 0.5).sigmoid()


def energy_flat(x, ridge):
    f = x.flatten(2)
    v, mu = f.var(2, keepdim=True), f.mean(2, keepdim=True)
    return (1 / (1 + torch.exp(-((f - mu) ** 2) / (4 * (v + ridge)) - 0.5))).view_as(x)


TABLE = {what: ", ".join(labels) for what, labels in REMEDIES.items()}
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
            "times x": (lambda x, *a: x * lines(x, *a), ""),
        },
    ),
    "ghosts": Tried(
        right={"text": TABLE, "lists": {k: sorted(v) for k, v in REMEDIES.items()}},
        wrong={
            "list": (["equal"], "A dictionary is expected"),
            "depth": (TABLE | {"ten blocks of coordinate attention": "can differ"}, "stay alike"),
        },
    ),
    "side": Tried(
        right={"same": side, "unfold": side_by_unfold},
        wrong={
            "detached": (lambda x, k: side(x.detach(), k), "`.detach()`"),
            "negative": (lambda *a: -side(*a), "exactly the negative"),
            "turned": (side_turned, "run along the channels"),
            "crossed": (lambda x, k: side(x, k.mT), "run along the channels"),
            "mean first": (lambda x, k: side(x, k.flip(1)), "the other way round"),
            "logits": (lambda *a: side(*a).logit(), "logits"),
            "shape": (lambda *a: side(*a)[:, None], "shape"),
            "not turned back": (lambda *a: side(*a).mT, "axes in another order"),
        },
    ),
    "energy": Tried(
        right={"squares": energy, "flat": energy_flat},
        wrong={
            "detached": (lambda x, r: energy(x.detach(), r), "`.detach()`"),
            "negative": (lambda *a: -energy(*a), "exactly the negative"),
            "times x": (lambda x, r: x * energy(x, r), ""),
            "no half": (lambda *a: (energy(*a).logit() - 0.5).sigmoid(), "½"),
            "population": (
                lambda x, r: ((x - x.mean((2, 3), keepdim=True)).square()
                / (4 * (x.var((2, 3), correction=0, keepdim=True) + r)) + 0.5).sigmoid(),
                "divides by N.",
            ),
            "importance": (lambda *a: energy(*a).logit(), "one over the energy"),
            "the energy": (lambda *a: (1 / energy(*a).logit()).sigmoid(), "a *small* energy"),
        },
    ),
    "counts": Tried(
        right={"text": "3352, 25648, 300", "list": [3352, 25648, 300]},
        wrong={
            "order": ((25648, 3352, 300), "another order"),
            "open": ((3352, ..., 300), "Still open: number 2"),
            "four": ((1804, 25648, 300), "8 at least"),
            "no norm": ((3336, 25616, 294), "normalised"),
        },
    ),
    "floor": Tried(
        right={"text": "0.622, 4.12", "list": [0.6225, 4.118]},
        wrong={
            "half": ((0.5, 6.02), "σ(½)"),
            "power": ((0.622, 2.06), "20 log10"),
            "open": ((0.622, ...), "Still open: number 2"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel_spatial/coordinate_attention", TRIED)


def test_counts_and_floor_are_what_the_text_says():
    assert COUNTS.truth() == (3352.0, 25648.0, 300.0)
    least, decibels = FLOOR.truth()
    assert math.isclose(least, 0.62246, abs_tol=1e-5)
    assert math.isclose(decibels, 4.1178, abs_tol=1e-4)


def test_the_table_of_remedies_by_trying_them():
    """Random weights: outputs inside and in ghosts, equal or not, as the table says."""
    torch.manual_seed(0)

    def net(given, *parts):
        return nn.Sequential(nn.Conv2d(given, 8, 1), nn.ReLU(), *parts, nn.Conv2d(8, 1, 1))

    def block():
        return CoordinateAttention(8)

    class Bent(nn.Module):
        def forward(self, x):
            return x + F.relu(x.mean(3, keepdim=True) - 0.01) + x.mean(2, keepdim=True)

    nets = {
        "ten blocks of coordinate attention": net(1, *(block() for _ in range(10))),
        "coordinate attention, then SE": net(1, block(), SqueezeExcitation(8, 2)),
        "a 3x3 convolution in front": nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), net(1, block())),
        "each box in a channel of its own": net(2, block(), nn.Conv2d(8, 8, 1), nn.ReLU()),
        "a ReLU behind the row means": net(1, Bent(), nn.Conv2d(8, 8, 1), nn.ReLU()),
    }
    for what, made in nets.items():
        kind = "colours" if made is nets["each box in a channel of its own"] else "two"
        x, y = FillTheBox(kind).draw(20, seeded(1))
        out = made.double().eval()(x.double())[:, 0]
        worst = max(
            (out[n][y[n] == INSIDE].mean() - out[n][y[n] == GHOST].mean()).abs().item()
            for n in range(len(x))
        )
        assert ("equal" in REMEDIES[what]) == (worst < 1e-12), (what, worst)


def test_the_chapter_has_its_six():
    names = ["lines", "ghosts", "side", "energy", "counts", "floor"]
    assert [e.name for e in EXERCISES] == names
