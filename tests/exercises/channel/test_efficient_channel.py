"""Answers to the exercises on ECA-Net, and what the exercises claim, computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attncourse.channel import EfficientChannel, SqueezeExcitation
from attncourse.channel.efficient_channel import band, psi
from attncourse.exercises.channel.efficient_channel import EXERCISES, LISTING, SIZES, WHO_MOVES
from attncourse.tasks import seeded
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def gates(x, w):
    z = x.mean((2, 3)).unsqueeze(1)
    return F.conv1d(z, w.view(1, 1, -1), padding=w.numel() // 2).squeeze(1).sigmoid()


def gates_by_a_matrix(x, w):
    matrix = band(w.expand(x.shape[1], -1))
    return torch.sigmoid(torch.einsum("cd,bd->bc", matrix, x.flatten(2).mean(2)))


def gates_in_loops(x, w):
    z, reach = x.mean(dim=(-2, -1)), len(w) // 2
    columns = []
    for c in range(z.shape[1]):
        total = torch.zeros_like(z[:, 0])
        for m in range(-reach, reach + 1):
            if 0 <= c + m < z.shape[1]:
                total = total + w[m + reach] * z[:, c + m]
        columns.append(1 / (1 + torch.exp(-total)))
    return torch.stack(columns, dim=1)


def gradient(z, d, k):
    padded = F.pad(z, (k // 2, k // 2))
    return torch.stack([(d * padded[:, m : m + z.shape[1]]).sum() for m in range(k)])


def gradient_in_loops(z, d, k):
    found = [z.new_zeros(()) for _ in range(k)]
    for m in range(k):
        for c in range(z.shape[1]):
            if 0 <= c + m - k // 2 < z.shape[1]:
                found[m] = found[m] + d[:, c] @ z[:, c + m - k // 2]
    return torch.stack(found)


TRIED = {
    "gates": Tried(
        right={"steps": gates, "matrix": gates_by_a_matrix, "loops": gates_in_loops},
        wrong={
            "detached": (lambda x, w: gates(x.detach(), w), "`.detach()`"),
            "no_grad": (torch.no_grad()(gates), "`torch.no_grad()`"),
            "hard sigmoid": (
                lambda x, w: F.hardsigmoid(4 * gates(x, w).logit()),
                "lies strictly between 0 and 1",
            ),
            "shape": (lambda x, w: gates(x, w)[:, :, None, None], "shape"),
            "two": (
                lambda x, w: F.conv1d(
                    x.mean((2, 3))[:, None], w.flip(0)[None, None], padding=len(w) // 2
                )[:, 0],
                "two mistakes at once",
            ),
            "closed": (lambda x, w: 1 - gates(x, w), "The values differ."),
        },
    ),
    "sizes": Tried(
        right={"text": "1, 3, 5, 5, 7", "list": [1, 3, 5, 5, 7]},
        wrong={
            "order": ((3, 1, 5, 5, 7), "another order"),
            "open": ((1, 3, ..., 5, 7), "Still open: number 3"),
        },
    ),
    "who_moves": Tried(
        right={
            "text": {
                "double channel 2": "SE, ECA and ring",
                "double channel 4": "only SE",
                "double channel 6": "ring, SE",
                "exchange channels 3 and 4": ["SE"],
                "exchange channels 2 and 6": ("SE", "ECA", "ring"),
                "shuffle the pixels of channel 2": "none",
            }
        },
        wrong={"list": (["ECA"], "A dictionary is expected")},
    ),
    "lost_line": Tried(
        right={"number": 3, "text": "line 3"}, wrong={"four": ("d", "equation (3)")}
    ),
    "kernel_gradient": Tried(
        right={"steps": gradient, "loops": gradient_in_loops},
        wrong={
            "negative": (lambda z, d, k: -gradient(z, d, k), "exactly the negative"),
            "shape": (lambda z, d, k: gradient(z, d, k)[None], "shape"),
        },
    ),
}
test_right_answers, test_wrong_answers = trials("channel/efficient_channel", TRIED)


def changes(x):
    """The changes of the table, made."""
    made = {}
    for c in (2, 4, 6):
        made[f"double channel {c}"] = x.clone()
        made[f"double channel {c}"][0, c - 1] *= 2
    for a, b in ((3, 4), (2, 6)):
        order = list(range(6))
        order[a - 1], order[b - 1] = order[b - 1], order[a - 1]
        made[f"exchange channels {a} and {b}"] = x[:, order]
    made["shuffle the pixels of channel 2"] = x.clone()
    places = torch.randperm(12, generator=seeded(3))
    made["shuffle the pixels of channel 2"][0, 1] = x[0, 1].flatten()[places].view(3, 4)
    return made


def test_the_table_of_changes_is_what_the_blocks_do():
    x = 1 + torch.randn(1, 6, 3, 4, dtype=torch.float64, generator=seeded(1))
    se = built(SqueezeExcitation, {"channels": 6, "reduction": 2})
    with torch.no_grad():
        se.reduce.bias.add_(3)  # no hidden unit asleep
    arguments = {"channels": 6, "kernel_size": 3}
    of = {
        "SE": se,
        "ECA": built(EfficientChannel, arguments),
        "ring": built(EfficientChannel, arguments, padding="circular"),
    }
    assert changes(x).keys() == WHO_MOVES.truth.keys()
    for change, moved in changes(x).items():
        found = {name for name, m in of.items() if abs(m.g(moved)[0, 0] - m.g(x)[0, 0]) > 1e-9}
        assert found == WHO_MOVES.truth[change], change


def test_the_listing_lacks_the_sigmoid_and_nothing_else():
    x, w = torch.randn(2, 5, 3, 4, generator=seeded(2)), torch.tensor([0.4, -1.0, 0.6])
    *lines, last = LISTING.splitlines()
    mended = [line.replace("s = t[", "s = t.sigmoid()[") for line in lines]
    for body, right in ((lines, False), (mended, True)):
        scope = {"x": x, "w": w, "F": F}
        exec("\n".join([*body, last.replace("return", "y =")]), scope)
        assert torch.allclose(scope["y"], gates(x, w)[:, :, None, None] * x) == right


def test_the_sizes_are_those_of_the_formula():
    assert SIZES.truth() == tuple(map(psi, (4, 64, 128, 512, 2048))) == (1, 3, 5, 5, 7)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "gates", "sizes", "who_moves", "lost_line", "kernel_gradient"
    ]  # fmt: skip
