"""Which lag: the label is the time between two equal frames, and nothing else tells it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attncourse.tasks.base import seeded
from attncourse.tasks.which_lag import MARGIN, WhichLag, patterns
from tests.unit.of_tasks import batch_of


def clean(size=600, **arguments):
    return WhichLag(noise=0.0, **arguments).draw(size, seeded(5))


def test_batches_are_a_function_of_seed_and_step():
    task = WhichLag()
    x, y = batch_of(task)
    assert x.shape == (16, 32, 64)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert task.classes == 6
    assert set(y.tolist()) <= set(range(6))


def test_two_frames_show_one_pattern_at_the_distance_that_the_label_names():
    lags = (5, 1, 3)
    x, y, first = clean(lags=lags)
    shown = x.abs().sum(dim=2) > 0
    assert (shown.sum(dim=1) == 2).all()
    last = 31 - shown.flip(1).int().argmax(dim=1)
    assert torch.equal(shown.int().argmax(dim=1), first)
    assert (last - first).tolist() == [lags[label] for label in y]
    clip = torch.arange(len(x))
    assert torch.equal(x[clip, first], x[clip, last])
    known = (x[clip, first][:, None] == patterns()).all(dim=2)
    assert (known.sum(dim=1) == 1).all()


@pytest.mark.parametrize("frames", [23, 32, 48])
def test_both_occurrences_stay_away_from_the_ends(frames):
    x, _, _ = clean(frames=frames)
    shown = x.abs().sum(dim=2) > 0
    assert not shown[:, :MARGIN].any()
    assert not shown[:, -MARGIN:].any()


def test_the_first_place_and_the_pattern_say_nothing_about_the_lag():
    x, y, first = clean(size=12_000)
    number = (x[torch.arange(len(x)), first][:, None] == patterns()).all(dim=2).int().argmax(dim=1)
    for told, kinds in ((first - MARGIN, 10), (number, 8)):
        table = torch.zeros(6, kinds).index_put_((y, told), torch.ones(len(y)), accumulate=True)
        expected = 12_000 / (6 * kinds)
        assert (table - expected).abs().max() < 4.5 * expected**0.5


def test_the_mean_frame_says_nothing_about_the_lag():
    """With one pattern in every clip twice, the mean of the frames is the same for every lag."""
    x, _, _ = clean()
    torch.testing.assert_close(x.sum(dim=1).abs(), torch.full((600, 64), 2.0))


@pytest.mark.parametrize("rate", [1, 2, 3, 4])
def test_the_place_leaves_no_trace_in_the_mean_of_a_rectified_branch(rate):
    """Else the zeros around the clip would tell where the second occurrence stands."""
    torch.manual_seed(0)
    branch = nn.Conv1d(64, 5, 3, padding=rate, dilation=rate, bias=False)
    x, y, first = clean(lags=(2, 6))
    x = x + 0.3  # frames that are not silent between the occurrences
    with torch.no_grad():
        means = branch(x.mT).relu().mean(dim=2)
    number = (x[torch.arange(len(x)), first][:, None] - 0.3).isclose(patterns()).all(dim=2)
    for label in range(2):
        for kind in number.T:
            same = means[(y == label) & kind]
            torch.testing.assert_close(same, same[:1].expand_as(same))


def test_the_test_set_is_fixed_and_no_training_batch():
    x, y = WhichLag(test_size=50).test_set()
    assert torch.equal(x, WhichLag(test_size=50).test_cases()[0])
    assert len(y) == 50
    for step in range(3):
        batch, _ = WhichLag().train_batch(0, step, 50)
        assert torch.cdist(batch.flatten(1), x.flatten(1)).min() > 1


def test_patterns_are_of_plus_and_minus_one():
    assert patterns().shape == (8, 64)
    assert set(patterns().unique().tolist()) == {-1.0, 1.0}
    assert len(patterns().unique(dim=0)) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lags": (2,)}, "two or more, all different"),
        ({"lags": (2, 2)}, "two or more, all different"),
        ({"lags": (0, 1)}, "do not fit 32 frames: choose from 1 to 15"),
        ({"lags": (1, 16)}, "do not fit 32 frames"),
    ],
)
def test_impossible_lags_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        WhichLag(**arguments)
