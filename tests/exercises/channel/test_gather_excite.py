"""Answers to the exercises on Gather-Excite, and what the exercises claim, computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attncourse.channel import GatherExcite
from attncourse.exercises.channel.gather_excite import EXERCISES, LISTING, WHO_MOVES
from attncourse.tasks import seeded
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def gated(x, e):
    z = F.avg_pool2d(x, 2 * e - 1, e, e - 1, count_include_pad=False)
    return x * F.interpolate(z, size=x.shape[2:]).sigmoid()


def gated_in_loops(x, e):
    h, w = x.shape[2:]
    rows = []
    for u in range(0, h, e):
        line = [
            x[:, :, max(0, u - e + 1) : u + e, max(0, v - e + 1) : v + e].mean(dim=(2, 3))
            for v in range(0, w, e)
        ]
        rows.append(torch.stack(line, dim=-1))
    s = torch.sigmoid(torch.stack(rows, dim=-2))
    i, j = torch.arange(h) * s.shape[2] // h, torch.arange(w) * s.shape[3] // w
    return x * s[:, :, i][..., j]


def gated_with_mask(x, e):
    pool = torch.nn.AvgPool2d(2 * e - 1, e, e - 1)
    z = pool(x) / pool(torch.ones_like(x[:1, :1]))
    return x / (1 + torch.exp(-F.interpolate(z, x.shape[-2:], mode="nearest")))


def gradient(x, d, P, Q):
    found = torch.zeros(*x.shape[:2], P, Q, dtype=x.dtype)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            found[:, :, i * P // x.shape[2], j * Q // x.shape[3]] += (d * x)[:, :, i, j]
    return found


def gradient_by_index(x, d, P, Q):
    (b, c, h, w), t = x.shape, x * d
    i, j = torch.arange(h) * P // h, torch.arange(w) * Q // w
    rows = torch.zeros(b, c, P, w, dtype=x.dtype).index_add(2, i, t)
    return torch.zeros(b, c, P, Q, dtype=x.dtype).index_add(3, j, rows)


def resized(kernel, rows, columns):
    new = F.interpolate(kernel, size=(rows, columns), mode="bilinear", align_corners=False)
    return new * kernel[0, 0].numel() / (rows * columns)


TRIED = {
    "gated": Tried(
        right={"steps": gated, "loops": gated_in_loops, "mask": gated_with_mask},
        wrong={
            "detached": (lambda x, e: gated(x.detach(), e), "`.detach()`"),
            "no_grad": (torch.no_grad()(gated), "`torch.no_grad()`"),
            "small": (lambda x, e: gated(x, e)[:, :, ::e, ::e], "shape"),
            "closed": (lambda x, e: x - gated(x, e), "The values differ."),
            "negative": (lambda x, e: -gated(x, e), "exactly the negative"),
            "padding": (
                lambda x, e: x * torch.sigmoid(
                    F.interpolate(F.avg_pool2d(x, 2 * e - 1, e, e - 1), x.shape[2:])
                ),
                "count_include_pad=False",
            ),
        },
    ),
    "who_moves": Tried(
        right={
            "text": {
                "add 1 at (1, 1)": "global, mean, learned and plus",
                "add 1 at (2, 2)": "global",
                "add 1 at (1, 1) of channel 2": "plus",
                "exchange (0, 0) and (1, 1)": ["plus", "learned"],
                "exchange (1, 1) and (2, 2)": ("mean", "learned", "plus"),
                "turn the map upside down": ("mean", "learned", "plus"),
            }
        },
        wrong={"list": (["mean"], "A dictionary is expected")},
    ),
    "lost_line": Tried(right={"number": 1, "text": "line 1"}, wrong={"three": ("c", "as in (3)")}),
    "resized": Tried(
        right={"steps": resized},
        wrong={
            "transposed": (lambda k, rows, columns: resized(k, columns, rows), "shape"),
            "plain": (lambda k, rows, columns: F.interpolate(
                k, (rows, columns), mode="bilinear", align_corners=False), "four times as much"),
        },
    ),
    "gate_gradient": Tried(
        right={"loops": gradient, "index": gradient_by_index},
        wrong={
            "negative": (lambda x, d, P, Q: -gradient(x, d, P, Q), "exactly the negative"),
            "flat": (lambda x, d, P, Q: gradient(x, d, P, Q).flatten(2), "shape"),
            "no x": (lambda x, d, P, Q: gradient(torch.ones_like(x), d, P, Q), "x is its slope"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel/gather_excite", TRIED)


def changes(x):
    """The changes of the table, made."""
    made = {name: x.clone() for name in WHO_MOVES.truth}
    made["add 1 at (1, 1)"][0, 0, 1, 1] += 1
    made["add 1 at (2, 2)"][0, 0, 2, 2] += 1
    made["add 1 at (1, 1) of channel 2"][0, 1, 1, 1] += 1
    for (a, b), name in (((0, 1), "exchange (0, 0) and (1, 1)"),
                         ((1, 2), "exchange (1, 1) and (2, 2)")):  # fmt: skip
        made[name][0, 0, a, a], made[name][0, 0, b, b] = x[0, 0, b, b], x[0, 0, a, a]
    made["turn the map upside down"][0, 0] = x[0, 0].flip(0)
    return made


def test_the_table_of_changes_is_what_the_forms_do():
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=seeded(1))
    forms = {
        "global": GatherExcite(2, None, learned=False),
        "mean": GatherExcite(2, 2, learned=False),
        "learned": built(GatherExcite, {"channels": 2, "extent": 2}),
        "plus": built(GatherExcite, {"channels": 2, "extent": 2, "mlp": True, "reduction": 1}),
    }
    with torch.no_grad():
        forms["plus"].norms[0].bias.add_(9)  # no unit asleep
        forms["plus"].reduce.weight.abs_()
    for change, moved in changes(x).items():
        found = {
            name
            for name, module in forms.items()
            if abs(module.g(moved)[0, 0, 0, 0] - module.g(x)[0, 0, 0, 0]) > 1e-9
        }
        assert found == WHO_MOVES.truth[change], change


def test_the_listing_counts_the_padding_and_is_right_otherwise():
    x = torch.randn(2, 3, 5, 4, generator=seeded(2))
    for body, right in ((LISTING, False), (
        LISTING.replace("padding=e - 1)", "padding=e - 1, count_include_pad=False)"), True,
    )):  # fmt: skip
        scope = {"x": x, "e": 2, "F": F, "torch": torch}
        exec(body.replace("return", "y ="), scope)
        assert torch.allclose(scope["y"], gated(x, 2)) == right


def test_a_mean_stays_a_mean_when_it_is_resized():
    kernel = torch.full((1, 1, 4, 4), 1 / 16)
    assert torch.allclose(resized(kernel, 8, 6), torch.full((1, 1, 8, 6), 1 / 48))


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "gated", "who_moves", "lost_line", "resized", "gate_gradient"
    ]  # fmt: skip
