"""What the exercises on GLTR claim, computed."""

import itertools

import pytest
import torch
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


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == [
        "weights", "branch", "query_gradient", "lag_accuracy", "who_sees"
    ]  # fmt: skip


def test_the_derived_gradient_is_autograds_in_double_precision():
    by_autograd, *derived = QUERY_GRADIENT.right_answers()
    for number, case in enumerate(QUERY_GRADIENT.cases):
        inputs = case.draw(seeded(7, number)).values()
        for form in derived:
            torch.testing.assert_close(form(*inputs), by_autograd(*inputs), rtol=0, atol=1e-12)


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
