"""Answers to the exercises on criss-cross attention, and what the exercises claim, computed."""

from __future__ import annotations

import torch

from attncourse.exercises.spatial.criss_cross import EXERCISES, LISTING, WAYS, WHO_NOTICES
from attncourse.spatial import CrissCross, NonLocal
from attncourse.spatial.criss_cross import cross_map, gather
from tests.contract.specimen import built
from tests.exercises.answers import Tried, less_the_mean, trials


def by_einsum(q, k):
    h = q.shape[1]
    down = torch.einsum("bijd,bmjd->bijm", q, k)
    down = down.masked_fill(torch.eye(h, dtype=torch.bool)[:, None], float("-inf"))
    return torch.cat([down, torch.einsum("bijd,bimd->bijm", q, k)], -1).softmax(-1)


def by_added_infinity(q, k):
    h = q.shape[1]
    shut = torch.diag(torch.full((h,), float("inf"), dtype=q.dtype))
    down = (q.transpose(1, 2) @ k.transpose(1, 2).mT).transpose(1, 2) - shut[:, None]
    s = torch.cat([down, q @ k.mT], 3)
    e = torch.exp(s - s.amax(3, keepdim=True))
    return e / e.sum(3, keepdim=True)


def in_loops(q, k):
    b, h, w, _ = q.shape
    a = q.new_zeros(b, h, w, h + w)
    for i in range(h):
        for j in range(w):
            keys = torch.cat([k[:, :, j], k[:, i]], dim=1)
            s = (keys @ q[:, i, j, :, None])[..., 0]
            open_ = torch.arange(h + w) != i
            a[:, i, j, open_] = s[:, open_].softmax(dim=1)
    return a


def merged(y_row, l_row, y_column, l_column):
    s = torch.sigmoid(l_row - l_column).unsqueeze(-1)
    return y_column + s * (y_row - y_column)


def merged_after_a_shift(y_row, l_row, y_column, l_column):
    top = torch.maximum(l_row, l_column)
    a, b = (l_row - top).exp()[..., None], (l_column - top).exp()[..., None]
    return (a * y_row + b * y_column) / (a + b)


def merged_less_the_mean(y_row, l_row, y_column, l_column):
    row, column = less_the_mean(torch.stack([l_row, l_column]), 0)[..., None]
    return row * y_row + column * y_column


TRIED = {
    "cross_weights": Tried(
        right={"einsum": by_einsum, "added": by_added_infinity, "loops": in_loops},
        wrong={
            "detached": (lambda q, k: by_einsum(q.detach(), k), "`.detach()`"),
            "no_grad": (torch.no_grad()(by_einsum), "`torch.no_grad()`"),
            "two": (
                lambda q, k: torch.cat(
                    [
                        torch.einsum("bijd,bmjd->bijm", q, k) / q.shape[3] ** 0.5,
                        q @ k.mT / q.shape[3] ** 0.5,
                    ], 3,
                ).softmax(3),
                "two mistakes at once",
            ),
            "slots": (lambda q, k: by_einsum(q, k)[..., 1:], "shape"),
        },
    ),
    "ways": Tried(
        right={"text": "2, 7, 5, 11", "list": [2, 7, 5, 11]},
        wrong={
            "order": ((7, 2, 5, 11), "another order"),
            "open": ((2, 7, ..., 11), "Still open: number 3"),
        },
    ),
    "who_notices": Tried(
        right={
            "text": {
                "brighten the pixel in row 3, column 8": "one, two and all",
                "brighten the pixel in row 6, column 8": "two, all",
                "exchange rows 5 and 6": "none",
                "exchange the pixels (3, 8) and (6, 8)": ["one", "two"],
                "exchange the pixels (5, 6) and (6, 8)": "two",
                "exchange the pixels (3, 6) and (3, 8)": ("two",),
            }
        },
        wrong={"list": (["one"], "A dictionary is expected")},
    ),
    "lost_line": Tried(right={"number": 3, "text": "line 3"}, wrong={"four": ("d", "one softmax")}),
    "merge": Tried(
        right={"sigmoid": merged, "shifted": merged_after_a_shift},
        wrong={
            "detached": (lambda y, r, z, c: merged(y, r.detach(), z, c.detach()), "`.detach()`"),
            "mean": (merged_less_the_mean, "NaN"),
            "negative": (lambda *a: -merged(*a), "exactly the negative"),
            "shape": (lambda *a: merged(*a)[None], "shape"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/criss_cross", TRIED)


def changes(x):
    """The changes of the table, made on a map of 7 x 9; rows and columns count from 1."""
    made = {}
    for row, column in ((3, 8), (6, 8)):
        name = f"brighten the pixel in row {row}, column {column}"
        made[name] = x.clone()
        made[name][..., row - 1, column - 1] += 1
    order = [0, 1, 2, 3, 5, 4, 6]
    made["exchange rows 5 and 6"] = x[:, :, order]
    for (i, j), (m, n) in (((3, 8), (6, 8)), ((5, 6), (6, 8)), ((3, 6), (3, 8))):
        name = f"exchange the pixels ({i}, {j}) and ({m}, {n})"
        made[name] = x.clone()
        made[name][..., i - 1, j - 1] = x[..., m - 1, n - 1]
        made[name][..., m - 1, n - 1] = x[..., i - 1, j - 1]
    return made


def test_the_table_of_changes_is_what_the_blocks_do():
    x = torch.randn(1, 4, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    arguments = {"channels": 4, "reduction": 2}
    of = {
        "one": built(CrissCross, arguments, recurrence=1),
        "two": built(CrissCross, arguments),
        "all": built(NonLocal, arguments, norm=False),
    }
    assert changes(x).keys() == WHO_NOTICES.truth.keys()
    for change, moved in changes(x).items():
        found = {name for name, m in of.items() if (m(moved) - m(x))[0, :, 2, 3].abs().max() > 1e-9}
        assert found == WHO_NOTICES.truth[change], change


def test_the_listing_goes_wrong_in_its_mask_and_nowhere_else():
    q, k, v = torch.randn(3, 2, 4, 5, 6, generator=torch.Generator().manual_seed(2))
    lines = LISTING.splitlines()
    mended = [
        line.replace("(torch.eye(h) * torch.inf)", "torch.diag(torch.full((h,), torch.inf))")
        for line in lines
    ]
    for body, right in ((lines, False), (mended, True)):
        scope = {"q": q, "k": k, "v": v, "h": 4, "torch": torch}
        exec("\n".join(body), scope)
        assert scope["y"].isnan().all() != right
        if right:
            torch.testing.assert_close(scope["y"], gather(cross_map(q, k), v))


def test_ways_are_counted():
    assert WAYS.truth() == (2, 7, 5, 11)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "cross_weights", "ways", "who_notices", "lost_line", "merge"
    ]  # fmt: skip
