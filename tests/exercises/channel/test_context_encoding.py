"""Answers to the exercises on EncNet, and what the exercises claim, computed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from attncourse.channel.context_encoding import encode
from attncourse.exercises.channel.context_encoding import EXERCISES, GROWTH, SIGN
from tests.exercises.answers import Tried, less_the_mean, trials


def in_a_loop(u, d, tau):
    images = []
    for image in u:
        rows = []
        logits = [t * (image - w).square().sum(1) for t, w in zip(tau, d, strict=True)]
        a = torch.softmax(torch.stack(logits, dim=1), dim=1)
        for k, word in enumerate(d):
            rows.append((a[:, k, None] * (image - word)).sum(dim=0))
        images.append(torch.stack(rows))
    return torch.stack(images)


def by_cdist(u, d, tau):
    a = F.softmax(torch.cdist(u, d.expand(len(u), -1, -1)) ** 2 * tau, dim=-1)
    return torch.einsum("bnk,bnc->bkc", a, u) - torch.einsum("bnk,kc->bkc", a, d)


def by_residuals(u, d, tau):
    r = u[:, :, None] - d
    return ((r.square().sum(-1) * tau).softmax(-1)[..., None] * r).sum(dim=1)


def asked(u, d, tau, g):
    with torch.enable_grad():
        leaf = d.detach().clone().requires_grad_()
        (by_residuals(u.detach(), leaf, tau.detach()) * g.detach()).sum().backward()
        return leaf.grad


def back(u, d, tau, g):
    r = u[:, :, None] - d
    a = (tau * (r * r).sum(-1)).softmax(-1)
    h = torch.einsum("bnkc,bkc->bnk", r, g)
    q = a * (h - (a * h).sum(-1, keepdim=True))
    return -(a[..., None] * g[:, None] + 2 * tau[:, None] * q[..., None] * r).sum(dim=(0, 1))


def back_in_parts(u, d, tau, g):
    r = u[:, :, None] - d
    a = (tau * (r * r).sum(-1)).softmax(-1)
    h = (r * g[:, None]).sum(-1)
    jacobian = torch.diag_embed(a) - a[..., None] * a[..., None, :]
    q = (jacobian @ h[..., None])[..., 0]
    direct = -(a.sum(dim=1)[..., None] * g).sum(dim=0)
    return direct - 2 * tau[:, None] * torch.einsum("bnk,bnkc->kc", q, r)


def by_sets(labels, classes):
    rows = [[float(k in image.unique()) for k in range(int(classes))] for image in labels]
    return torch.tensor(rows, dtype=torch.float32)


def by_any(labels, classes):
    kinds = torch.arange(int(classes))
    return (labels.flatten(1)[:, :, None] == kinds).any(dim=1).float()


def coded_less_the_mean(u, d, tau):
    a = less_the_mean(tau * torch.cdist(u, d.expand(len(u), -1, -1)).square(), 2)
    return a.mT @ u - a.sum(1)[..., None] * d


TRIED = {
    "code": Tried(
        right={"loop": in_a_loop, "einsum": by_cdist},
        wrong={
            "mean": (coded_less_the_mean, "NaN"),
            "detached": (lambda u, d, tau: encode(u.detach(), d, tau), "`.detach()`"),
            "one sign": (lambda u, d, tau: encode(u, d, -tau.abs()), "differ"),
            "residuals": (by_residuals, "larger than it may be"),
            "negative": (lambda u, d, tau: -encode(u, d, tau), "exactly the negative"),
            "first": (
                lambda u, d, tau: encode(u[:1], d, tau).expand(len(u), -1, -1),
                "only the first item",
            ),
        },
    ),
    "way_back": Tried(
        right={"residuals": back, "jacobian": back_in_parts},
        wrong={
            "autograd": (asked, "autograd found them"),
            "one sign": (lambda u, d, tau, g: back(u, d, -tau.abs(), g), "differ"),
            "negative": (lambda u, d, tau, g: -back(u, d, tau, g), "exactly the negative"),
            "transposed": (lambda u, d, tau, g: back(u, d, tau, g).mT, "`.T`"),
        },
    ),
    "present": Tried(
        right={"sets": by_sets, "any": by_any},
        wrong={"list": (lambda labels, classes: by_any(labels, classes).tolist(), "torch tensor")},
    ),
    "growth": Tried(
        right={"text": "9.8, 39.2, 156.8, 0.2", "list": [9.8, 39.2, 156.8, 0.2]},
        wrong={"close": ((9.8, 39.2, 150, 0.2), "look again at number 3")},
    ),
    "sign": Tried(
        right={"text": "0.98, 0.02, 0.27", "list": [0.982, 0.018, 0.269]},
        wrong={
            "open": ((0.98, ..., 0.27), "Still open: number 2"),
            "near": ((0.982, 0.026, 0.269), "look again at number 2"),
            "cut off": ((0.99, 0.01, 0.26), "look again at numbers"),
        },
    ),
}
test_right_answers, test_wrong_answers = trials("channel/context_encoding", TRIED)


def test_the_growth_is_n_over_k_times_a_residual():
    assert GROWTH.truth() == pytest.approx((196 / 4 * 0.2, 196 * 0.2, 784 * 0.2, 0.2))


def test_the_shares_are_two_logits():
    wanted = [1 / (1 + math.exp(b - a)) for a, b in ((-0.5, -4.5), (0.5, 4.5), (-1, 0))]
    assert SIGN.truth() == pytest.approx(wanted)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "code", "growth", "present", "sign", "way_back"
    ]  # fmt: skip
