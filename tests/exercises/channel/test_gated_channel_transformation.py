"""Answers to the exercises on GCT, and what the exercises claim, computed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attncourse.channel import GatedChannelTransformation, SqueezeExcitation, StyleRecalibration
from attncourse.channel.gated_channel_transformation import compete, embed
from attncourse.exercises.channel.gated_channel_transformation import (
    EXERCISES,
    HOW_LOUD,
    WHO_NOTICES,
)
from attncourse.tasks import seeded
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def gates(x, alpha, gamma, beta):
    z = alpha * ((x**2).sum((2, 3)) + 1e-5) ** 0.5
    return 1 + torch.tanh(gamma * z / torch.sqrt((z**2).mean(1, keepdim=True) + 1e-5) + beta)


def gates_of_maps(x, alpha, gamma, beta):
    """With axes of size one, as the released layout has it."""
    shape = (1, -1, 1, 1)
    z = (x.pow(2).sum((2, 3), keepdim=True) + 1e-5).pow(0.5) * alpha.view(shape)
    factor = gamma.view(shape) / (z.pow(2).mean(1, keepdim=True) + 1e-5).pow(0.5)
    return (1 + torch.tanh(z * factor + beta.view(shape)))[..., 0, 0]


def gates_in_loops(x, alpha, gamma, beta):
    rows = []
    for image in x:
        z = torch.stack([a * (m.flatten() @ m.flatten() + 1e-5).sqrt()
                         for a, m in zip(alpha, image, strict=True)])  # fmt: skip
        hat = z / (z @ z / len(z) + 1e-5).sqrt()
        rows.append(2 * torch.sigmoid(2 * (gamma * hat + beta)))  # 1 + tanh(t) = 2 sigmoid(2 t)
    return torch.stack(rows)


def back(z, d):
    rho = z.pow(2).mean(1, keepdim=True).sqrt()
    hat = z / rho
    return (d - hat * (hat * d).mean(1, keepdim=True)) / rho


def back_by_a_jacobian(z, d):
    def row(one, e):
        unit = one / one.norm()
        eye = torch.eye(len(one), dtype=one.dtype)
        return len(one) ** 0.5 / one.norm() * (eye - torch.outer(unit, unit)) @ e

    return torch.stack([row(one, e) for one, e in zip(z, d, strict=True)])


TRIED = {
    "gates": Tried(
        right={"steps": gates, "maps": gates_of_maps, "loops": gates_in_loops},
        wrong={
            "two": (
                lambda x, alpha, gamma, beta: gates(x, torch.ones_like(alpha), gamma, beta) - 1,
                "two mistakes at once",
            ),
            "one sign": (lambda x, alpha, *rest: gates(x, alpha.abs(), *rest), "differ"),
            "no negative weight": (lambda x, alpha, *rest: gates(x, alpha.relu(), *rest), "differ"),
            "detached": (lambda x, *rest: gates(x.detach(), *rest), "`.detach()`"),
            "no_grad": (torch.no_grad()(gates), "`torch.no_grad()`"),
            "shape": (lambda *a: gates(*a)[..., None, None], "shape"),
            "closed": (lambda *a: 2 - gates(*a), "The values differ."),
        },
    ),
    "how_loud": Tried(
        right={"text": "2.83, 8, 1", "roots": "2√2, 8, 1", "list": [2.828, 8, 1]},
        wrong={
            "order": ((8, 2.828, 1), "another order"),
            "open": ((2.828, ..., 1), "Still open: number 2"),
            "near": ((2.828, 8.04, 1), "number 2: 8.04 is close, and too large"),
        },
    ),
    "who_notices": Tried(
        right={
            "text": {
                "shuffle the pixels of channel 1": "none",
                "turn the sign of channel 1": "only SE and SRM",
                "double channel 2": ["GCT", "SE"],
                "triple all channels": "SRM and SE",
                "double channel 1 around its mean": ("SRM", "GCT"),
            }
        },
        wrong={"list": (["GCT"], "A dictionary is expected")},
    ),
    "compete_backward": Tried(
        right={"steps": back, "jacobian": back_by_a_jacobian},
        wrong={
            "one sign": (lambda z, d: back(z.abs(), d), "differ"),
            "negative": (lambda z, d: -back(z, d), "exactly the negative"),
            "transposed": (lambda z, d: back(z, d).mT, "`.T`"),
        },
    ),
}
test_right_answers, test_wrong_answers = trials("channel/gated_channel_transformation", TRIED)


def changes(x):
    """The changes of the table, made."""
    shuffled, turned, louder, contrast = (x.clone() for _ in range(4))
    flat = x[0, 0].flatten()
    shuffled[0, 0] = flat[torch.randperm(len(flat), generator=seeded(3))].view_as(x[0, 0])
    turned[0, 0] *= -1
    louder[0, 1] *= 2
    contrast[0, 0] += x[0, 0] - x[0, 0].mean()
    return dict(zip(WHO_NOTICES.truth, (shuffled, turned, louder, 3 * x, contrast), strict=True))


def test_the_table_of_changes_is_what_the_blocks_do():
    x = 1 + torch.randn(2, 3, 3, 4, dtype=torch.float64, generator=seeded(1))
    se = built(SqueezeExcitation, {"channels": 3, "reduction": 1})
    srm = built(StyleRecalibration, {"channels": 3})
    gct = built(GatedChannelTransformation, {"channels": 3}, eps=1e-12)
    with torch.no_grad():
        se.reduce.bias.add_(3)  # no hidden unit asleep
        of = {"SE": se.g, "SRM": srm.g, "GCT": gct.g}
        for change, moved in changes(x).items():
            found = {name for name, g in of.items() if abs(g(moved)[0, 0] - g(x)[0, 0]) > 1e-7}
            assert found == WHO_NOTICES.truth[change], change


@pytest.mark.parametrize("place", [0, 3, 7])
def test_how_loud_a_channel_can_be(place):
    alone = torch.zeros(1, 8, 2, 2, dtype=torch.float64)
    alone[0, place] = 3.0
    found = []
    for x, norm in ((alone, "l2"), (alone, "l1"), (torch.ones_like(alone), "l2")):
        z = embed(x, torch.ones(8).double(), norm=norm, eps=1e-15)
        found.append(compete(z, norm=norm, eps=1e-15))
    assert [float(z[0, place]) for z in found] == pytest.approx(HOW_LOUD.truth(), rel=1e-6)
    assert HOW_LOUD.truth()[0] == math.sqrt(8)


def test_a_new_block_leaves_what_the_quiz_says():
    """Weight decay by gamma ends at a constant gate, by alpha it changes nothing."""
    block, x = (
        built(GatedChannelTransformation, {"channels": 3}, eps=1e-12),
        torch.randn(2, 3, 4, 4),
    )
    was = block.g(x.double())
    with torch.no_grad():
        block.alpha.mul_(0.1)
    torch.testing.assert_close(block.g(x.double()), was)
    nn.init.zeros_(block.gamma)
    torch.testing.assert_close(block.g(x.double()), (1 + block.beta.tanh()).expand(2, 3))


def test_the_chapter_has_its_four():
    assert [exercise.name for exercise in EXERCISES] == [
        "gates", "how_loud", "who_notices", "compete_backward"
    ]  # fmt: skip
