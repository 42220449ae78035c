"""What learners answer in the chapter that compares the mechanisms."""

import torch
from torch import nn

from attncourse.channel import EfficientChannel, GatedChannelTransformation, SqueezeExcitation
from attncourse.channel_spatial import SimpleAttention
from attncourse.exercises.closing.choosing import FALSE_ALARMS, NOTICED
from attncourse.exercises.closing.choosing.questions import COMPARISONS, NOTICED_ROWS
from attncourse.experiments.closing.choosing import blindness, opened
from attncourse.spatial import CrissCross, NonLocal
from tests.exercises.answers import Tried, trials


def defect(before, after, order):
    gap = after.flatten(2) - before.flatten(2)[:, :, order]
    return gap.abs().max(dim=2).values.max(dim=1).values


def defect_by_gather(before, after, order):
    flat = before.flatten(2)
    moved = flat.gather(2, order.expand_as(flat))
    return torch.linalg.vector_norm((after.flatten(2) - moved).flatten(1), ord=torch.inf, dim=1)


def interval(a, b, t):
    gains = a - b
    half = t * gains.std() / len(gains) ** 0.5
    return torch.stack([gains.mean(), gains.mean() - half, gains.mean() + half])


def interval_by_sums(a, b, t):
    d, n = a - b, a.numel()
    error = ((d.square().sum() - d.sum() ** 2 / n) / (n - 1) / n).sqrt()
    return torch.cat([d.mean()[None], (d.mean() + t * error * torch.tensor([-1.0, 1.0]).to(a))])


TABLE = {what: ", ".join(labels) for what, labels in NOTICED_ROWS.items()}
TRIED = {
    "shuffle_defect": Tried(
        right={
            "index": defect, "gather": defect_by_gather,
            "detached": lambda b, a, o: defect(b.detach(), a, o),
            "no grad": torch.no_grad()(defect),
        },
        wrong={
            "negative": (lambda *x: -defect(*x), "exactly the negative"),
            "inverse": (lambda b, a, o: defect(b, a, o.argsort()), "`order` itself"),
            "unmoved": (
                lambda b, a, o: (a - b).abs().amax((1, 2, 3)), "with its pixels moved along",
            ),
            "both moved": (
                lambda b, a, o: (a.flatten(2)[..., o] - b.flatten(2)[..., o]).abs().amax((1, 2)),
                "neither was moved, or both",
            ),
            "a share": (
                lambda b, a, o: defect(b, a, o) / b.abs().amax((1, 2, 3)), "divide by the size",
            ),
            "signed": (
                lambda b, a, o: (a.flatten(2) - b.flatten(2)[..., o]).amax((1, 2)),
                "absolute values",
            ),
            "mean": (
                lambda b, a, o: (a.flatten(2) - b.flatten(2)[..., o]).abs().mean((1, 2)),
                "take the largest",
            ),
            "one number": (lambda *x: defect(*x).max(), "shape"),
            "for each channel": (
                lambda b, a, o: (a.flatten(2) - b.flatten(2)[..., o]).abs().amax(2), "shape",
            ),
        },
    ),
    "paired_interval": Tried(
        right={
            "std": interval, "sums": interval_by_sums,
            "detached": lambda a, b, t: interval(a.detach(), b, t),
            "floats": lambda a, b, t: torch.tensor(interval(a, b, t).tolist(), dtype=a.dtype),
        },
        wrong={
            "one sign": (
                lambda a, b, t: interval(torch.maximum(a, b), torch.minimum(a, b), t), "differ"
            ),
            "negative": (lambda *x: -interval(*x), "exactly the negative"),
            "unpaired": (
                lambda a, b, t: torch.stack([
                    (a - b).mean(),
                    (a - b).mean() - t * ((a.var() + b.var()) / len(a)).sqrt(),
                    (a - b).mean() + t * ((a.var() + b.var()) / len(a)).sqrt(),
                ]),
                "the same seeds",
            ),
            "no root of s": (
                lambda a, b, t: interval(a, b, t * len(a) ** 0.5), "divide by √s",
            ),
            "s": (lambda a, b, t: interval(a, b, t / len(a) ** 0.5), "divide the deviation by s"),
            "root of s - 1": (
                lambda a, b, t: interval(a, b, t * (len(a) / (len(a) - 1)) ** 0.5), "√(s - 1)",
            ),
            "swapped ends": (lambda *x: interval(*x)[[0, 2, 1]], "comes before the upper"),
            "half widths": (
                lambda *x: torch.stack([m := interval(*x)[0], *(interval(*x)[1:] - m)]),
                "in place of the ends",
            ),
            "one half width": (
                lambda *x: torch.stack([m := interval(*x)[0], *(interval(*x)[[2, 2]] - m)]),
                "in place of the ends",
            ),
            "difference of spreads": (
                lambda a, b, t: (a - b).mean() + torch.tensor([0, -1, 1]) * t
                * (a.std() - b.std()) / len(a) ** 0.5,
                "the spread of a less the spread of b",
            ),
            "spread of b": (
                lambda a, b, t: (a - b).mean() + torch.tensor([0, -1, 1]) * t
                * b.std() / len(a) ** 0.5,
                "the spread of one network",
            ),
            "twice": (lambda a, b, t: interval(a, b, 2 * t), "twice as wide"),
            "normal": (lambda a, b, t: interval(a, b, t * 0 + 1.96), "1.96"),
            "turned": (lambda a, b, t: interval(b, a, t), "a - b is asked for"),
            "ends alone": (lambda *x: interval(*x)[1:], "shape"),
            "a list": (lambda *x: interval(*x).tolist(), "list"),
        },
    ),
    "false_alarms": Tried(
        right={
            "text": "2, 0.871, 0.00125", "list": [2.0, 0.8715, 0.00125],
            "per cent": ("2", "87.1%", "0.125%"), "in one field": "2, 87.1 %, 0.125 %",
            "words": ("2", "0.871", "1.25e-3"),
        },
        wrong={
            "near": ((2, 0.866, 0.00125), "look again at number 2"),
            "two digits": ((2, 0.87, 0.00125), "0.87 is close, and too small"),
            "independent, three digits": ((2, 0.871, 0.00128), "holds for independent intervals"),
            "one side": ((1, 0.871, 0.00125), "2.5 % on each"),
            "those that cover": ((38, 0.871, 0.00125), "hold zero"),
            "none": ((2, 0.129, 0.00125), "no false alarm at all"),
            "in per cent": ((2, 0.871, 0.125), "in per cent"),
            "both in per cent": ((2, 87.1, 0.125), "between 0 and 1"),
            "left alone": ((2, 0.871, 0.05), "among the 40"),
            "five": ((2, 0.871, 5), "among the 40"),
            "none, and left alone": ((2, 0.129, 0.05), "two mistakes at once"),
            "independent": ((2, 0.871, 0.001282), "for independent intervals"),
            "open": ((2, ..., 0.00125), "Still open: number 2"),
            "order": ((0.871, 2, 0.00125), "another order"),
        },
    ),
    "noticed": Tried(
        right={
            "text": TABLE,
            "lists": {k: sorted(v) for k, v in NOTICED_ROWS.items()},
            "other words": {
                k: {"blind": "invariant", "follows": "equivariant", "sees": "changed"}[min(v)]
                for k, v in NOTICED_ROWS.items()
            },
        },
        wrong={
            "list": (["blind"], "A dictionary is expected"),
            "SE": (TABLE | {"SE: pixels shuffled": "follows"}, "come from means"),
            "lines": (TABLE | {"criss-cross: pixels shuffled": "follows"}, "tears rows"),
            "blind for good": (
                TABLE | {"3x3 convolution, then SE: pixels shuffled": "blind"}, "other means",
            ),
        },
    ),
    "unfair_line": Tried(
        right={"line": "Line 3", "number": 3, "letter": "c"},
        wrong={
            "rates": ("Line 1", "same effort"),
            "seeds": ("Line 2", "before any run"),
            "held out": ("Line 4", "held-out part"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("closing/choosing", TRIED)


def test_the_counts_are_those_of_the_task():
    assert COMPARISONS == 40
    count, chance, level = FALSE_ALARMS.truth()
    assert (count, round(chance, 4), round(level, 6)) == (2.0, 0.8715, 0.00125)


class After3x3(nn.Module):
    """SE behind a convolution, as one block whose decision can be asked for."""

    def __init__(self):
        super().__init__()
        self.conv, self.se = nn.Conv2d(16, 16, 3, padding=1), SqueezeExcitation(16, 4)

    def g(self, x):
        return self.se.g(self.conv(x))

    def forward(self, x):
        return self.se(self.conv(x))


def test_the_table_by_measuring_it():
    blocks = {
        "SE": SqueezeExcitation(16, 4), "GCT": GatedChannelTransformation(16),
        "non-local": NonLocal(16, 2), "criss-cross": CrissCross(16, 4),
        "SimAM": SimpleAttention(16), "ECA": EfficientChannel(16, 3),
        "3x3 convolution, then SE": After3x3(),
    }  # fmt: skip
    changes = {
        "pixels shuffled": "shuffle pixels", "two rows swapped": "swap two rows",
        "channels renamed": "rename channels", "everything doubled": "double everything",
    }  # fmt: skip
    known, x = {c.name: c for c in blindness.CHANGES}, blindness.maps(16)
    for row, truth in NOTICED.truth.items():
        name, what = row.split(": ")
        block, change = opened(blocks[name]), known[changes[what]]
        if blindness.noticed(block, change.apply, x) < blindness.NOTHING:
            found = "blind"
        else:
            near = blindness.defect(block, change.apply, x) < blindness.NOTHING
            found = "follows" if near else "sees"
        assert {found} == truth, row


def test_the_chapter_has_its_five():
    from attncourse.exercises.closing.choosing import EXERCISES

    names = ["shuffle_defect", "false_alarms", "noticed", "paired_interval", "unfair_line"]
    assert [e.name for e in EXERCISES] == names
