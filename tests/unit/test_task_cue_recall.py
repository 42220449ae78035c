"""Cue recall: the answer is in the frame with the cue's border, and nowhere else."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction

import pytest
import torch

from attncourse.tasks import digits
from attncourse.tasks.base import seeded
from attncourse.tasks.cue_recall import CueRecall, best_without_the_cue, border, border_patterns
from tests.unit.of_tasks import batch_of


def clean(size=400, frames=8, patterns=16, train=False):
    task = CueRecall(frames=frames, patterns=patterns, noise=0.0)
    return task.draw(size, seeded(5), train=train)


def borders(x):
    return x[:, :, border().flatten()]


def middles(x):
    return x[:, :, ~border().flatten()]


def test_batches_are_a_function_of_seed_and_step():
    task = CueRecall()
    x, y = batch_of(task)
    assert x.shape == (16, 8, 100)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert 0 <= int(y.min()) <= int(y.max()) < task.classes
    assert torch.equal(task.test_set()[0], CueRecall().test_cases()[0])


def test_the_cue_shows_a_border_and_nothing_else():
    x, _, _ = clean()
    assert (middles(x)[:, 0] == 0).all()
    assert (borders(x)[:, 0].sum(dim=1) > 0).all()
    assert (middles(x)[:, 1:].sum(dim=2) > 0).all()


def test_one_frame_has_the_border_of_the_cue_and_its_digit_is_the_label():
    _, _, images, labels = digits()
    known = {image.numpy().tobytes(): int(n) for image, n in zip(images, labels, strict=True)}
    x, y, place = clean()
    same = (borders(x)[:, 1:] == borders(x)[:, :1]).all(dim=2)
    assert (same.sum(dim=1) == 1).all()
    assert torch.equal(same.int().argmax(dim=1) + 1, place)
    shown = middles(x)[torch.arange(len(x)), place]
    assert [known[image.numpy().tobytes()] for image in shown] == y.tolist()


def test_all_digits_of_a_clip_have_different_borders():
    x, _, _ = clean(size=100)
    for clip in borders(x):
        assert len({row.numpy().tobytes() for row in clip}) == 7


def test_neither_place_nor_border_tells_which_frame_counts():
    """Every place and every border is as likely to be asked for."""
    x, _, place = clean(size=6_000)
    count = torch.bincount(place, minlength=8)[1:]
    assert (count - 6_000 / 7).abs().max() < 4 * (6_000 * 6 / 49) ** 0.5
    number = (borders(x)[:, :, None] == border_patterns(16)).all(dim=3).int().argmax(dim=2)
    asked = torch.bincount(number[:, 0], minlength=16)
    assert (asked - 6_000 / 16).abs().max() < 4 * (6_000 * 15 / 256) ** 0.5
    # The borders that are not asked for are spread as evenly.
    others = torch.bincount(number[:, 1:].flatten(), minlength=16) - asked
    assert (others - 36_000 / 16).abs().max() < 4 * (36_000 / 16) ** 0.5


def test_the_digits_of_a_clip_do_not_depend_on_the_border():
    """A reader of digits alone is right as often as the most frequent digit is asked for."""
    _, _, images, labels = digits()
    known = {image.numpy().tobytes(): int(n) for image, n in zip(images, labels, strict=True)}
    x, y, _ = clean(size=3_000)
    right = 0
    for clip, label in zip(middles(x)[:, 1:], y.tolist(), strict=True):
        ranked = Counter(known[image.numpy().tobytes()] for image in clip).most_common()
        right += ranked[0][0] == label
    assert right / 3_000 == pytest.approx(float(best_without_the_cue(7)), abs=0.03)


def test_training_and_test_digits_never_mix():
    train_x, _, test_x, _ = digits()
    pools = {
        True: {image.numpy().tobytes() for image in train_x},
        False: {image.numpy().tobytes() for image in test_x},
    }
    assert not pools[True] & pools[False]
    for train, pool in pools.items():
        x, _, _ = clean(size=100, train=train)
        assert all(image.numpy().tobytes() in pool for image in middles(x)[:, 1:].flatten(0, 1))


def test_batches_are_of_training_digits_and_the_test_set_of_test_digits(monkeypatch):
    seen = []
    draw = CueRecall.draw

    def watched(self, size, generator, *, train):
        seen.append(train)
        return draw(self, size, generator, train=train)

    monkeypatch.setattr(CueRecall, "draw", watched)
    CueRecall().train_batch(0, 0, 4)
    CueRecall(test_size=4).test_set()
    assert seen == [True, False]


def test_patterns_are_fixed_and_far_apart():
    patterns = border_patterns(16)
    assert patterns.shape == (16, 36)
    assert set(patterns.unique().tolist()) == {0.0, 1.0}
    apart = torch.cdist(patterns, patterns, p=1) + 36 * torch.eye(16)
    assert apart.min() >= 9
    assert torch.equal(border_patterns(4), patterns[:4])


@pytest.mark.parametrize(("shown", "classes"), [(1, 4), (2, 3), (3, 3), (4, 2), (5, 3)])
def test_the_ceiling_of_the_blind_is_that_of_counting_all_clips(shown, classes):
    clips = list(itertools.product(range(classes), repeat=shown))
    most = sum(max(Counter(clip).values()) for clip in clips)
    assert best_without_the_cue(shown, classes) == Fraction(most, shown * len(clips))


def test_the_ceiling_of_seven_digits():
    assert float(best_without_the_cue(7)) == pytest.approx(0.317, abs=5e-4)
    assert best_without_the_cue(1) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 1}, "frames=1 must be at least 2"),
        ({"frames": 8, "patterns": 6}, "patterns=6 cannot tell 7 digits apart"),
        ({"noise": -0.1}, "noise=-0.1"),
    ],
)
def test_impossible_clips_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CueRecall(**arguments)
