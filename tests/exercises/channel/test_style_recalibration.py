"""Answers to the exercises on SRM, and what the exercises claim, computed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attncourse.channel import SqueezeExcitation, StyleRecalibration
from attncourse.exercises.channel.style_recalibration import (
    EXERCISES,
    FIRST_GRADIENT,
    WHAT_MOVES,
)
from attncourse.tasks import seeded
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def gates(x, w, gamma, beta):
    m = x.mean((2, 3))
    s = torch.sqrt(((x - m[..., None, None]) ** 2).mean((2, 3)) + 1e-5)
    z = m * w[:, 0] + s * w[:, 1]
    z = (z - z.mean(0)) / torch.sqrt(z.var(0, unbiased=False) + 1e-5)
    return torch.sigmoid(z * gamma + beta)


def gates_by_a_layer(x, w, gamma, beta):
    norm = nn.BatchNorm1d(x.shape[1], device=x.device, dtype=x.dtype)
    numbers = torch.stack([x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-5).sqrt()], 2)
    z = norm(torch.einsum("bck,ck->bc", numbers, w))
    return 1 / (1 + torch.exp(-(gamma * z + beta)))


def gates_in_loops(x, w, gamma, beta):
    columns = []
    for c in range(x.shape[1]):
        flat = x[:, c].reshape(len(x), -1)
        away = flat - flat.mean(1, keepdim=True)
        z = w[c, 0] * flat.mean(1) + w[c, 1] * (away.pow(2).sum(1) / flat.shape[1] + 1e-5).sqrt()
        z = (z - z.sum() / len(z)) / (z.var(correction=0) + 1e-5).sqrt()
        columns.append((gamma[c] * z + beta[c]).sigmoid())
    return torch.stack(columns, 1)


def cancelling(x, w, gamma, beta):
    """E[x²] - E[x]² for the variance: right but for rounding."""
    m = x.mean((2, 3))
    s = ((x.pow(2).mean((2, 3)) - m.pow(2)).clamp_min(0) + 1e-5).sqrt()
    z = m * w[:, 0] + s * w[:, 1]
    z = (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()
    return (z * gamma + beta).sigmoid()


def unbiased_without_eps(x, w, gamma, beta):
    z = x.mean((2, 3)) * w[:, 0] + x.std((2, 3)) * w[:, 1]
    z = (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()
    return (z * gamma + beta).sigmoid()


def spread_backward(x, std, d):
    m = x.mean((2, 3), keepdim=True)
    return d[..., None, None] * (x - m) / std[..., None, None] / (x.shape[2] * x.shape[3])


def spread_backward_autograd(x, std, d):
    leaf = x.detach().requires_grad_()
    (leaf.var((2, 3), correction=0) + 1e-5).sqrt().backward(d)
    return leaf.grad


TRIED = {
    "gates": Tried(
        right={
            "steps": gates,
            "layer": gates_by_a_layer,
            "loops": gates_in_loops,
        },
        wrong={
            "cancelling": (cancelling, "digits are lost"),
            "one sign": (lambda x, w, gamma, b: gates(x, w, gamma.abs(), b), "differ"),
            "two": (unbiased_without_eps, "two mistakes at once"),
            "detached": (lambda x, *rest: gates(x.detach(), *rest), "`.detach()`"),
            "no_grad": (torch.no_grad()(gates), "`torch.no_grad()`"),
            "closed": (lambda *a: 1 - gates(*a), "The values differ."),
            "shape": (lambda *a: gates(*a)[..., None, None], "shape"),
        },
    ),
    "spread_backward": Tried(
        right={"steps": spread_backward, "autograd": spread_backward_autograd},
        wrong={
            "negative": (lambda *a: -spread_backward(*a), "exactly the negative"),
            "two": (
                lambda x, std, d: d[..., None, None] * x / std[..., None, None],
                "two mistakes at once: a gradient that is not centred, and a forgotten 1/(HW)",
            ),
            "transposed": (lambda *a: spread_backward(*a).mT, "`.mT`"),
        },
    ),
    "first_gradient": Tried(
        right={"three digits": (316, 1.0), "text": "316.2, 1.000", "fields": ("316.23", "1")},
        wrong={
            "order": ((1.0, 316.2), "another order"),
            "upside down": ((0.003162, 1.0), "upside down"),
            "one": ((300.0, 1.0), "look again at number 1"),
        },
    ),
    "what_moves": Tried(
        right={
            "text": {
                "shuffle its pixels": "none",
                "add 1 to its pixels": "SE, SRM, training",
                "double it around its mean": ["training", "SRM"],
                "add 1 to channel 2": "SE",
                "add 1 to image 2": "training",
            }
        },
        wrong={"list": (["SRM"], "A dictionary is expected")},
    ),
    "nan_line": Tried(right={"number": 3}, wrong={"first": ("a", "slope 1/(HW)")}),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel/style_recalibration", TRIED)


def changes(x):
    """The changes of the table, made."""
    flat = x[0, 0].flatten()
    shuffled, added, contrast, channel, image = (x.clone() for _ in range(5))
    shuffled[0, 0] = flat[torch.randperm(len(flat), generator=seeded(3))].view_as(x[0, 0])
    added[0, 0] += 1
    contrast[0, 0] += x[0, 0] - x[0, 0].mean()
    channel[0, 1] += 1
    image[1] += 1
    return dict(zip(WHAT_MOVES.truth, (shuffled, added, contrast, channel, image), strict=True))


def test_the_table_of_changes_is_what_the_blocks_do():
    x = torch.randn(4, 3, 3, 4, dtype=torch.float64, generator=seeded(1))
    blocks = {
        "SE": built(SqueezeExcitation, {"channels": 3, "reduction": 1}),
        "SRM": built(StyleRecalibration, {"channels": 3}),
        "training": built(StyleRecalibration, {"channels": 3}).train(),
    }
    with torch.no_grad():
        blocks["SE"].reduce.bias.add_(3)  # no hidden unit asleep
        for change, moved in changes(x).items():
            found = {
                name
                for name, block in blocks.items()
                if abs(block.g(moved)[0, 0] - block.g(x)[0, 0]) > 1e-9
            }
            assert found == WHAT_MOVES.truth[change], change


@pytest.mark.parametrize("mode", [True, False])
def test_the_first_gradient_is_multiplied_by_what_the_exercise_says(mode):
    norm = StyleRecalibration(1).norm.double().train(mode)
    z = torch.zeros(6, 1, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(6, 1, dtype=torch.float64, generator=seeded(2))
    upstream = upstream - upstream.mean()
    (found,) = torch.autograd.grad(norm(z), z, upstream)
    truth = FIRST_GRADIENT.truth()[0 if mode else 1]
    torch.testing.assert_close(found, truth * upstream)


def test_line_3_makes_nan():
    """The four lines of the exercise, on a channel that is constant."""
    x = torch.ones(2, 1, 3, 3, requires_grad=True)
    mean = x.mean(dim=(2, 3), keepdim=True)
    square = (x - mean) ** 2
    std = square.mean(dim=(2, 3)).sqrt()
    z = (std - std.mean(dim=0)) / (std.var(dim=0) + 1e-5).sqrt()
    z.sum().backward()
    assert x.grad.isnan().all()
    x.grad = None
    ((x - mean.detach()).square().mean(dim=(2, 3)) + 1e-5).sqrt().sum().backward()
    assert (x.grad == 0).all()


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "gates", "spread_backward", "first_gradient", "what_moves", "nan_line"
    ]  # fmt: skip
