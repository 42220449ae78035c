"""Answers to the exercises on asymmetric non-local blocks, and what they claim, computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.exercises.spatial.asymmetric_non_local import EXERCISES, LISTING, SAVED
from attncourse.spatial.asymmetric_non_local import anchors
from tests.exercises.answers import Tried, trials

SIZES = (1, 3, 6, 8)


def by_pooling(q, k, v):
    keys, values = (
        torch.cat([F.adaptive_avg_pool2d(t, s).flatten(2) for s in SIZES], 2) for t in (k, v)
    )
    a = (q.flatten(2).transpose(1, 2) @ keys / q.shape[1] ** 0.5).softmax(-1)
    return (values @ a.mT).view_as(v)


def by_fused_attention(q, k, v):
    keys, values = (anchors(t).mT for t in (k, v))
    return F.scaled_dot_product_attention(q.flatten(2).mT, keys, values).mT.reshape(v.shape)


def by_exponentials(q, k, v):
    keys, values = anchors(k), anchors(v)
    s = torch.einsum("bdhw,bds->bhws", q, keys) / q.shape[1] ** 0.5
    e = torch.exp(s - s.amax(-1, keepdim=True))
    return torch.einsum("bhws,bcs->bchw", e / e.sum(-1, keepdim=True), values)


def larger(p, s):
    return 0.25 * torch.maximum(p / s, s / p)


def by_cases(p, s):
    return torch.where(s > p, 0.25 * s / p, 0.25 * p / s)


def by_steps(p, s):
    signal = torch.minimum(torch.ones_like(p), p * p / (s * s))
    return (0.25 * p / s) / signal


TRIED = {
    "read_anchors": Tried(
        right={
            "pooling": by_pooling, "fused": by_fused_attention, "exponentials": by_exponentials,
        },
        wrong={
            "detached": (lambda q, k, v: by_pooling(q.detach(), k, v), "`.detach()`"),
            "no_grad": (torch.no_grad()(by_pooling), "`torch.no_grad()`"),
            "negative": (lambda q, k, v: -by_pooling(q, k, v), "exactly the negative"),
            "twice": (lambda q, k, v: 2 * by_pooling(q, k, v), "2"),
            "flat": (lambda q, k, v: by_pooling(q, k, v).flatten(2), "shape"),
        },
    ),
    "saved": Tried(
        right={"text": "110, 83.8, 335", "whole": "110; 84; 335", "list": [110, 83.78, 335.1]},
        wrong={
            "open": ((110, ..., 335.1), "Still open"),
            "one less": ((109, 83.78, 335.1), "number 1: 109 is close, and too small"),
            "one more": ((111, 83.78, 335.1), "number 1: 111 is close, and too large"),
            "order": ((335.1, 83.8, 110), "another order"),
        },
    ),
    "noise_to_signal": Tried(
        right={"larger": larger, "cases": by_cases, "steps": by_steps},
        wrong={
            "inverse": (lambda p, s: 1 / larger(p, s), "reciprocal"),
            "four": (lambda p, s: 4 * larger(p, s), "4"),
        },
    ),
    "too_early": Tried(right={"number": 3, "text": "line 3"}, wrong={"two": ("b", "linear")}),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/asymmetric_non_local", TRIED)


def test_the_listing_goes_wrong_in_its_keys_and_nowhere_else():
    x = torch.randn(2, 4, 9, 10, generator=torch.Generator().manual_seed(2)).double()
    torch.manual_seed(0)
    key, value, out = (nn.Conv2d(*c, 1).double() for c in ((4, 3), (4, 3), (3, 4)))
    norm = nn.BatchNorm2d(3).double().eval()
    given = {"key": key, "value": value, "out": out, "norm": norm, "relu": F.relu, "d": 3}
    k = F.relu(norm(key(x)))
    wanted = x + out(by_pooling(k, k, value(x)))
    lines = LISTING.splitlines()
    mended = [*lines[:2], "keys = anchors(relu(norm(key(x))))", *lines[3:]]
    for body, right in ((lines, False), (mended, True)):
        scope = given | {"x": x, "anchors": anchors}
        exec("\n".join(body), scope)
        assert torch.allclose(scope["y"], wanted, atol=1e-10) == right


def test_what_is_saved_is_counted():
    count, once, twice = SAVED.truth()
    assert (count, once, twice) == (
        110,
        pytest.approx(83.78, abs=0.01),
        pytest.approx(335.13, abs=0.01),
    )


def test_a_mean_has_the_noise_that_is_derived():
    """Cells of s x s over sources of p x p, drawn: spread of the mean over its signal."""
    draws = torch.randn(40_000, 8, 8, generator=torch.Generator().manual_seed(0))
    for p in (1, 2, 4):
        for s in (1, 2, 4, 8):
            mean = (0.25 * p * draws)[:, :s, :s].mean(dim=(1, 2))
            signal = min(1, p * p / (s * s))
            wanted = float(larger(torch.tensor(float(p)), torch.tensor(float(s))))
            assert float(mean.std()) / signal == pytest.approx(wanted, rel=0.02)


def test_the_chapter_has_its_four():
    assert [exercise.name for exercise in EXERCISES] == [
        "read_anchors", "saved", "noise_to_signal", "too_early"
    ]  # fmt: skip
