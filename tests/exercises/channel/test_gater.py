"""Answers to the exercises on GaterNet, and what the exercises claim, computed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.channel.gater import backbone_multiply_adds
from attncourse.exercises.channel.gater import EXERCISES, LISTING, NUMBERS, SAVED
from attncourse.measure import count_macs
from tests.exercises.answers import Tried, trials


def gates(tau, noise, hard):
    noisy = tau + noise
    soft = (1.2 * torch.sigmoid(noisy) - 0.1).clamp(0, 1)
    step = (noisy > 0).to(soft.dtype)
    return torch.where(hard, soft + (step - soft).detach(), soft)


def gates_by_rows(tau, noise, hard):
    rows = []
    for score, e, firm in zip(tau, noise, hard[:, 0], strict=True):
        v = score + e
        soft = torch.clamp(1.2 / (1 + torch.exp(-v)) - 0.1, min=0.0, max=1.0)
        rows.append(((v > 0).to(soft) - soft).detach() + soft if firm else soft)
    return torch.stack(rows)


def step_alone(tau, noise, hard):
    soft = (1.2 * torch.sigmoid(tau + noise) - 0.1).clamp(0, 1)
    return torch.where(hard, (tau + noise > 0).to(soft), soft)


def slope_of_one(tau, noise, hard):
    soft = (1.2 * torch.sigmoid(tau + noise) - 0.1).clamp(0, 1)
    return torch.where(hard, (tau + noise > 0).to(soft) + (tau - tau.detach()), soft)


def skip(maps, kernels, live, on):
    return F.conv2d(maps.unsqueeze(0), kernels[on][:, live], padding=1).squeeze(0)


def skip_nothing(maps, kernels, live, on):
    """All filters run on zeros and maps, and what is off is thrown away."""
    full = torch.zeros(len(live), *maps.shape[1:], dtype=maps.dtype)
    return F.conv2d(full.index_put((live,), maps)[None], kernels, padding=1)[0][on]


def skip_rows(maps, kernels, live, on):
    full = torch.zeros(len(live), *maps.shape[1:], dtype=maps.dtype)
    return F.conv2d(full.index_put((live,), maps)[None], kernels[on], padding=1)[0]


def skip_by_filters(maps, kernels, live, on):
    padded = F.pad(maps, (1, 1, 1, 1))
    found = []
    for kernel, wanted in zip(kernels, on, strict=True):
        if wanted:
            total = torch.zeros_like(maps[0])
            for taps, seen in zip(kernel[live], padded, strict=True):
                for p in range(3):
                    for q in range(3):
                        h, w = maps.shape[1:]
                        total = total + taps[p, q] * seen[p : p + h, q : q + w]
            found.append(total)
    return torch.stack(found)


def skip_too_late(maps, kernels, live, on):
    """All filters by products number by number, and then those that are on."""
    _, h, w = maps.shape
    windows = F.pad(maps, (1, 1, 1, 1)).unfold(1, h, 1).unfold(2, w, 1)  # (n, 3, 3, h, w)
    return (kernels[:, live, ..., None, None] * windows).sum((1, 2, 3))[on]


def skip_by_numbers(maps, kernels, live, on):
    _, h, w = maps.shape
    padded = F.pad(maps, (1, 1, 1, 1))
    kept = kernels[on][:, live]
    result = maps.new_zeros(len(kept), h, w)
    for i in range(3):
        for j in range(3):
            patch = padded[:, i : i + h, j : j + w]
            result = result + (kept[:, :, i, j, None, None] * patch).sum(1)
    return result


TRIED = {
    "gates": Tried(
        right={"steps": gates, "rows": gates_by_rows},
        wrong={
            "detached": (lambda t, e, h: gates(t.detach(), e, h), "no gradient can pass"),
            "no_grad": (torch.no_grad()(gates), "`torch.no_grad()`"),
            "shape": (lambda t, e, h: gates(t, e, h)[:, :, None, None], "shape"),
            "no slope": (step_alone, "the gradient with respect to `tau` is not"),
            "slope of one": (slope_of_one, "the gradient with respect to `tau` is not"),
            "closed": (lambda t, e, h: 1 - gates(t, e, h), "values differ"),
        },
    ),
    "numbers": Tried(
        right={"rounded": "2.40, 0.30, 0.40, 2.22", "list": [2.3979, 0.3, 0.3989, 2.215]},
        wrong={"open": ((2.4, 0.3, ..., 2.2), "Still open: number 3")},
    ),
    "saved": Tried(
        right={
            "text": "304128, 78336, 841",
            "marks": "304,128; 78,336; 841",
            "list": [304128, 78336, 841],
        },
        wrong={"order": ((78336, 304128, 841), "another order")},
    ),
    "wrong_place": Tried(
        right={"number": 4, "text": "line 4"}, wrong={"five": (5, "look at what comes in")}
    ),
    "skip": Tried(
        right={"steps": skip, "loops": skip_by_filters, "numbers": skip_by_numbers},
        wrong={
            "all run": (skip_nothing, "more products than it needs. Filters that are off"),
            "all read": (skip_rows, "maps that are zero read"),
            "all filters": (
                lambda m, k, a, o: F.conv2d(m[None], k[:, a], padding=1)[0][o],
                "Filters that are off",
            ),
            "by hand": (skip_too_late, "Filters that are off were computed"),
            "negative": (lambda m, k, a, o: -skip(m, k, a, o), "exactly the negative"),
            "shape": (lambda m, k, a, o: skip(m, k, a, o)[None], "shape"),
        },
    ),
}
test_right_answers, test_wrong_answers = trials("channel/gater", TRIED)


def test_the_numbers_are_those_of_the_text():
    assert NUMBERS.truth() == pytest.approx((math.log(11), 0.3, 0.39894, 2.215), abs=1e-3)
    assert SAVED.truth() == pytest.approx((304128, 78336, 841.34), abs=0.01)


def test_the_multiply_adds_are_those_that_run():
    for width, wanted in ((16, 304128), (8, 78336)):
        layers = nn.Sequential(
            *(nn.Conv2d(a, width, 3, padding=1, bias=False) for a in (1, width, width))
        )
        assert count_macs(layers, torch.zeros(1, 1, 8, 8)) == wanted
        assert backbone_multiply_adds(8, 8, 1, (width,) * 3) == wanted


def test_the_listing_does_not_silence_a_filter():
    """As printed a shut filter still speaks; with the gate behind the ReLU it does not."""
    conv, norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)
    nn.init.constant_(norm.bias, 0.5)
    *lines, fourth, fifth = LISTING.splitlines()
    mended = [
        *lines, "maps = torch.relu(norm(conv(x)))", "return maps * s[:, :, None, None]"
    ]  # fmt: skip
    for body, silent in (([*lines, fourth, fifth], False), (mended, True)):
        tau = torch.tensor([[-50.0, 50.0, 50.0]]).expand(4, -1)
        scope = {"x": torch.randn(4, 2, 5, 5), "tau": tau, "conv": conv, "norm": norm,
                 "torch": torch}  # fmt: skip
        exec("\n".join([*body[:-1], body[-1].replace("return", "y =")]), scope)
        assert (not scope["y"][:, 0].any()) == silent


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "numbers", "gates", "wrong_place", "saved", "skip"
    ]  # fmt: skip
