"""Answers to the exercises on GLTR, and what the exercises claim, computed."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.exercises.temporal.global_local_temporal import (
    EXERCISES,
    LAG_ACCURACY,
    WHO_SEES,
    lag_accuracy,
)
from attncourse.exercises.temporal.global_local_temporal.code import QUERY_GRADIENT
from attncourse.tasks import seeded
from attncourse.temporal import DilatedTemporalPyramid, GlobalLocalTemporal, TemporalSelfAttention
from tests.exercises.answers import Tried, trials


def stable(q, k):
    s = q @ k.transpose(-1, -2)
    e = (s - s.max(-1, keepdim=True).values).exp()
    return e / e.sum(-1, keepdim=True)


def by_logsumexp(q, k):
    s = torch.einsum("bie,bje->bij", q, k)
    return (s - s.logsumexp(2, keepdim=True)).exp()


def by_frames(q, k):
    return torch.stack([(k @ q[:, i, :, None])[..., 0].softmax(1) for i in range(q.shape[1])], 1)


def branch_conv(x, taps, rate):
    return F.conv1d(x.mT, taps, padding=rate, dilation=rate).mT


def branch_shifts(x, taps, rate):
    y = x @ taps[:, :, 1].T
    if rate < x.shape[1]:
        before, after = torch.zeros_like(y), torch.zeros_like(y)
        before[:, rate:] = x[:, :-rate] @ taps[:, :, 0].T
        after[:, :-rate] = x[:, rate:] @ taps[:, :, 2].T
        y = y + before + after
    return y


def branch_loops(x, taps, rate):
    frames = []
    for t in range(x.shape[1]):
        y = 0
        for tap, s in enumerate((t - rate, t, t + rate)):
            if 0 <= s < x.shape[1]:
                y = y + x[:, s] @ taps[:, :, tap].T
        frames.append(y)
    return torch.stack(frames, dim=1)


def branch_ring(x, taps, rate):
    steps = enumerate((rate, 0, -rate))
    return sum(x.roll(step, 1) @ taps[:, :, tap].T for tap, step in steps)


def query_parts(q, k, g):
    a = (q @ k.mT).softmax(-1)
    return (g * a) @ k - (g * a).sum(2, keepdim=True) * (a @ k)


def query_jacobian(q, k, g):
    a = (q @ k.mT).softmax(-1)
    jacobian = torch.diag_embed(a) - a[..., None] * a[..., None, :]
    return torch.einsum("bij,bijm,bme->bie", g, jacobian, k)


def query_autograd(q, k, g):
    q = q.clone().requires_grad_()
    return torch.autograd.grad((q @ k.mT).softmax(-1), q, g)[0]


def query_vjp(q, k, g):
    _, back = torch.func.vjp(lambda q: (q @ k.mT).softmax(-1), q)
    return back(g)[0]


def query_backward(q, k, g):
    q = q.clone().requires_grad_()
    (q @ k.mT).softmax(-1).backward(g)
    return q.grad


def query_differences(q, k, g, step=1e-5):
    slopes = torch.zeros_like(q)
    for place in itertools.product(*map(range, q.shape)):
        moved = torch.zeros_like(q)
        moved[place] = step
        up, down = ((g * ((q + s * moved) @ k.mT).softmax(-1)).sum() for s in (1, -1))
        slopes[place] = (up - down) / (2 * step)
    return slopes


TRIED = {
    "weights": Tried(
        right={"stable": stable, "logsumexp": by_logsumexp, "by frames": by_frames},
        wrong={
            "overflow": (
                lambda q, k: (e := (q @ k.mT).exp()) / e.sum(-1, keepdim=True), "an overflow"
            ),
            "two": (
                lambda q, k: (k @ q.mT / k.shape[2] ** 0.5).softmax(2), "The values differ",
            ),
            "transposed": (lambda q, k: stable(q, k).mT, "order: `.mT`"),
            "detached": (lambda q, k: stable(q, k.detach()), "`.detach()`"),
            "no_grad": (torch.no_grad()(stable), "`torch.no_grad()`"),
            "shifted": (lambda q, k: stable(q, k).roll(1, 2), "one place too late along axis 2"),
        },
    ),
    "branch": Tried(
        right={"conv1d": branch_conv, "shifts": branch_shifts, "loops": branch_loops},
        wrong={
            "ring": (branch_ring, "a clip that is closed to a ring"),
            "transposed": (lambda *a: branch_conv(*a).mT, "order: `.mT`"),
            "two": (
                lambda x, taps, rate: branch_conv(x, taps.flip(2), rate).relu(),
                "two mistakes at once",
            ),
            "detached": (lambda x, taps, rate: branch_conv(x, taps.detach(), rate), "`.detach()`"),
            "negative": (lambda *a: -branch_conv(*a), "exactly the negative"),
        },
    ),
    "query_gradient": Tried(
        right={"parts": query_parts, "Jacobian": query_jacobian},
        wrong={
            "autograd": (query_autograd, "autograd found them"),
            "vjp": (query_vjp, "autograd found them"),
            "backward": (query_backward, "autograd found them"),
            "differences": (query_differences, "difference of two values"),
            "negative": (lambda *a: -query_parts(*a), "exactly the negative"),
            "halved": (lambda *a: query_parts(*a) / 2, "1/2 times the expected one"),
            "transposed": (lambda *a: query_parts(*a).mT, "order: `.mT`"),
        },
    ),
    "lag_accuracy": Tried(
        right={"fractions": "4/6, 6/8", "rounded": (0.67, 0.75), "percent": "66.7 %, 75 %"},
        wrong={
            "percent": ((200 / 3, 75), "divide it by 100"),
            "turned": ((0.75, 2 / 3), "stand in another order"),
            "one": ((2 / 3, 0.5), "look again at number 2: 0.5 is too small"),
        },
    ),
    "who_sees": Tried(
        right={"text": {"mean": "neither", "TSA mean": "far pairs", "Linear pyramid, mean": "none",
                        "pyramid, ReLU, mean": ["order"], "GLTR, mean": "order and far pairs"}},
        wrong={"open": ({"mean": ()}, "Still open")},
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("temporal/global_local_temporal", TRIED)


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == [
        "weights", "branch", "query_gradient", "lag_accuracy", "who_sees"
    ]  # fmt: skip


def test_the_derived_gradient_is_autograds_in_double_precision():
    for number, case in enumerate(QUERY_GRADIENT.cases):
        inputs = case.draw(seeded(7, number)).values()
        for form in QUERY_GRADIENT.right_answers():
            torch.testing.assert_close(form(*inputs), query_autograd(*inputs), rtol=0, atol=1e-12)


def test_lags_are_seen_or_guessed():
    """What a reader of all couplings scores, lag by lag."""
    for rates, lags in (((1, 4), 6), ((1, 2, 3), 8), ((1,), 6), ((1, 2, 4), 6), ((1, 2, 3), 6)):
        read = [(-r, 0, r) for r in rates]
        seen = {b - a for taps in read for a, b in itertools.combinations(taps, 2)}
        unseen = [lag for lag in range(1, lags + 1) if lag not in seen]
        score = sum(1 if lag in seen else 1 / len(unseen) for lag in range(1, lags + 1)) / lags
        assert lag_accuracy(rates, lags) == pytest.approx(score)
    assert LAG_ACCURACY.truth() == pytest.approx((4 / 6, 6 / 8))


def clip_vectors():
    """Row of the table -> a clip's vector, with weights away from their start."""
    torch.manual_seed(0)
    pyramid, whole = DilatedTemporalPyramid(3), GlobalLocalTemporal(3).eval()
    attention = TemporalSelfAttention(3, 1).eval()
    for module in (pyramid, whole, attention):
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)
    blocks = {
        "mean": nn.Identity(),
        "TSA, mean": attention,
        "linear pyramid, mean": pyramid,
        "pyramid, ReLU, mean": nn.Sequential(pyramid, nn.ReLU()),
        "GLTR, mean": whole,
    }
    return {name: block.double() for name, block in blocks.items()}


@pytest.mark.parametrize("row", WHO_SEES.truth)
@torch.no_grad()
def test_the_table_is_what_the_modules_do(row):
    def vector(clip):
        return clip_vectors()[row](clip[None]).mean(dim=1)

    clip = torch.zeros(36, 3, dtype=torch.float64)  # silent at both ends
    clip[8:28] = torch.randn(20, 3, generator=torch.Generator().manual_seed(1)).double()
    shuffled = clip.clone()
    shuffled[8:28] = clip[8:28].flip(0).roll(3, dims=0)
    seen = set()
    if (vector(clip) - vector(shuffled)).abs().max() > 1e-6:
        seen.add("order")

    # Does the effect of frame 10 depend on frame 24?
    def effect(base):
        changed = base.clone()
        changed[10] += 1
        return vector(changed) - vector(base)

    other = clip.clone()
    other[24] -= 1
    if (effect(clip) - effect(other)).abs().max() > 1e-6:
        seen.add("far pairs")
    assert seen == WHO_SEES.truth[row]
