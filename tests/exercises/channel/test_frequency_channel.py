"""Answers to the exercises on FcaNet, and what the exercises claim, computed."""

import math

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from attncourse.channel import FrequencyChannel
from attncourse.channel.frequency_channel import planes
from attncourse.exercises.channel.frequency_channel.code import SEEN
from attncourse.exercises.channel.frequency_channel.questions import (
    EXERCISES,
    FACTORS,
    FLIPS,
    MIRRORED_CUE,
)
from attncourse.tasks import StatisticLadder, seeded
from attncourse.tasks.images import digits_of
from tests.exercises.answers import Tried, trials


def waves(n, size, like):
    wave = torch.cos(math.pi * n * (torch.arange(size).to(like) + 0.5) / size)
    return wave * (math.sqrt(2) if n else 1)


def outer(x, u, v):
    h, w = x.shape[1:]
    return (x * torch.outer(waves(u, h, x), waves(v, w, x))).mean((1, 2))


def products(x, u, v):
    h, w = x.shape[1:]
    return waves(u, h, x) @ x @ waves(v, w, x) / (h * w)


def summed(x, u, v):
    h, w = x.shape[1:]
    return torch.einsum("bij,i,j->b", x, waves(u, h, x), waves(v, w, x)) / (h * w)


def by_hand(filters, pattern):
    """Gram-Schmidt, in double precision."""
    left, total = pattern.double(), 0.0
    basis = []
    for f in filters.double():
        for q in basis:
            f = f - (f @ q) * q
        basis.append(f / f.norm())
        total = total + (basis[-1] @ left) ** 2
    return (total / left.square().sum()).to(pattern.dtype)


def by_inverse(filters, pattern):
    f, p = filters.double(), pattern.double()
    return (p @ torch.linalg.pinv(f) @ f @ p / (p @ p)).to(pattern.dtype)


TRIED = {
    "coefficient": Tried(
        right={"outer": outer, "products": products, "summed": summed},
        wrong={
            "two": (
                lambda x, u, v: outer(x, v, u) * x[0].numel(),
                "two mistakes at once: rows and columns changed places, and a sum",
            ),
            "detached": (lambda x, u, v: outer(x.detach(), u, v), "`.detach()`"),
            "negative": (lambda x, u, v: -outer(x, u, v), "exactly the negative"),
            "first": (
                lambda x, u, v: outer(x[:1], u, v).expand(len(x)), "only the first item"
            ),
            "list": (lambda x, u, v: outer(x, u, v).tolist(), "a torch tensor"),
            "kept": (lambda x, u, v: outer(x, u, v)[:, None], "shape"),
        },
    ),
    "factors": Tried(
        right={"list": [56, 7, 49], "text": "56, 7, 49", "floats": (56.0, 7.0, 49.0)},
        wrong={
            "order": ((7, 56, 49), "another order"),
            "open": ((56, ..., 49), "Still open: number 2"),
        },
    ),
    "flips": Tried(
        right={
            "words": {
                "(0, 0)": "none", "(0, 1)": "mirror, half turn", "(1, 0)": "upside down and half "
                "turn", "(1, 1)": ("mirror", "upside down"), "(2, 2)": (),
                "(3, 2)": ["half turn", "upside down"],
            },
        },
        wrong={"list": (["mirror"], "A dictionary is expected")},
    ),
    "mirrored_cue": Tried(
        right={"percent": "10 %", "digits": 0.1, "measured": 0.109},
        wrong={"percent": (10, "divide it by 100"), "close": (0.2, "too large")},
    ),
    "seen": Tried(
        right={"gram schmidt": by_hand, "pseudo inverse": by_inverse},
        wrong={
            "two": (lambda f, p: 1 - by_hand(f, p).sqrt(), "The values differ"),
            "percent": (lambda f, p: 100 * by_hand(f, p), "100"),
            "float": (lambda f, p: float(by_hand(f, p)), "a torch tensor"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel/frequency_channel", TRIED)


def test_the_factors_are_what_maps_of_ones_give():
    found = []
    for side, options in ((56, {"orthonormal": True}), (7, {"orthonormal": True}), (7, {})):
        block = FrequencyChannel(1, 1, frequencies=((0, 0),), **options).double()
        x = torch.ones(1, 1, side, side, dtype=torch.float64)
        found.append(float(block.squeeze(x)) * (1 if options else side * side))
    assert found == pytest.approx(FACTORS.truth())


@pytest.mark.parametrize("row", FLIPS.truth)
def test_flips_turn_the_signs_that_the_table_says(row):
    u, v = (torch.tensor([int(n)]) for n in row.strip("()").split(","))
    wave = planes(u, v, 6, 8, torch.zeros(1, dtype=torch.float64))[0]
    changed = {"mirror": wave.flip(1), "upside down": wave.flip(0), "half turn": wave.flip(0, 1)}
    for name, other in changed.items():
        sign = -1 if name in FLIPS.truth[row] else 1
        torch.testing.assert_close(other, sign * wave)


def test_the_other_digit_is_right_as_often_as_the_table_says():
    """Digits of the task's test set, asked for by the wrong bit."""
    labels = digits_of(train=False)[1]
    a, b = torch.randint(len(labels), (2, 20_000), generator=seeded(4))
    share = float((labels[a] == labels[b]).float().mean())
    assert MIRRORED_CUE.truth() == pytest.approx(share, abs=0.01)
    bit = torch.ones(50, dtype=torch.long)
    cue = StatisticLadder("dct").cue(bit, seeded(5))[:, 0]
    wave = torch.cos(math.pi * (torch.arange(8) + 0.5) / 8)
    assert ((cue * wave).sum((1, 2)) > 0).all()
    assert ((cue.flip(2) * wave).sum((1, 2)) < 0).all()


def test_random_filters_see_their_share_on_average():
    generator = seeded(3)
    pattern = torch.randn(64, generator=generator)
    shares = [float(SEEN.reference(torch.randn(4, 64, generator=generator), pattern))
              for _ in range(400)]  # fmt: skip
    assert np.mean(shares) == pytest.approx(4 / 64, abs=0.01)


def test_the_coefficients_are_scipys():
    """The orthonormal transform of another library, divided by √(HW)."""
    x = torch.randn(1, 5, 6, dtype=torch.float64, generator=seeded(1))
    theirs = dctn(x[0].numpy(), norm="ortho") / math.sqrt(30)
    for u, v in ((0, 0), (0, 1), (3, 2)):
        assert float(outer(x, u, v)) == pytest.approx(theirs[u, v], abs=1e-12)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "coefficient", "factors", "flips", "mirrored_cue", "seen"
    ]  # fmt: skip
