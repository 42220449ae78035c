"""Digit courses: every channel has the same mean over time, and the course tells which counts."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks import digits, seeded
from attncourse.tasks.digit_courses import (
    BRIGHT,
    DARK,
    FRAMES,
    GAIN,
    KINDS,
    DigitCourses,
    films,
    flickers,
    ramps,
)
from tests.unit.of_tasks import batch_of


@pytest.mark.parametrize("asks", KINDS)
def test_batches_are_a_function_of_seed_and_step(asks):
    task = DigitCourses(asks)
    x, y = batch_of(task)
    assert x.shape == (16, task.channels, FRAMES, 8, 8)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert task.classes == 10


@pytest.mark.parametrize("asks", KINDS)
def test_the_label_is_the_digit_that_counts_and_no_digit_is_there_twice(asks):
    """Without noise the mean over time of a channel is its digit, whichever counts."""
    _, _, images, labels = digits()
    task = DigitCourses(asks, noise=0.0, test_size=200)
    x, y, wanted = task.test_cases()
    units = task.test_units()
    means = x[:, :2].mean(dim=2)
    counts = means[torch.arange(200), wanted]
    torch.testing.assert_close(counts, GAIN * images[units.of, 0])
    assert torch.equal(labels[units.of], y)
    apart = (means[:, None, :] / GAIN - images[None, :, :1]).abs().flatten(3).amax(dim=3)
    shown = labels[apart.argmin(dim=1)]
    assert (shown[:, 0] != shown[:, 1]).all()
    assert 0.4 < wanted.double().mean() < 0.6


def test_a_reversed_clip_is_a_clip_of_the_other_label():
    images = torch.rand(3, 2, 8, 8)
    wanted = torch.tensor([0, 1, 0])
    forwards = films(images, ramps(3), wanted, light=False)
    backwards = films(images, ramps(3), 1 - wanted, light=False)
    torch.testing.assert_close(forwards.flip(2), backwards)


def test_courses_in_step_are_balanced_and_differ():
    first, second = flickers(500, seeded(1)).unbind(dim=1)
    for course in (first, second):
        assert ((course == DARK) | (course == BRIGHT)).all()
        assert ((course == BRIGHT).sum(dim=1) == FRAMES // 2).all()
    assert not (first == second).all(dim=1).any()
    # courses are independent but for that: 16 of the other 69 share three bright frames
    agree = ((first == BRIGHT) & (second == BRIGHT)).sum(dim=1)
    assert abs((agree == 3).double().mean() - 16 / 69) < 0.06


def test_the_light_keeps_step_with_the_digit_that_counts():
    images = torch.rand(4, 2, 8, 8)
    wanted = torch.tensor([0, 1, 1, 0])
    x = films(images, flickers(4, seeded(2)), wanted, light=True)
    z = x.mean(dim=(3, 4))
    light = z[:, 2]
    own = z[torch.arange(4), wanted]
    torch.testing.assert_close(own / own.mean(1, keepdim=True), light)
    torch.testing.assert_close(light.mean(dim=1), torch.ones(4))


@pytest.mark.parametrize(
    ("options", "words"), [({"asks": "louder"}, "asks='louder'"), ({"noise": -1.0}, "noise=-1.0")]
)
def test_impossible_tasks_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        DigitCourses(**options)


def test_both_digits_of_a_test_clip_are_those_that_it_shows():
    task = DigitCourses(test_size=50)
    _, labels, wanted = task.test_cases()
    digits = task.test_digits()
    assert (digits[torch.arange(50), wanted] == labels).all()
    assert (digits[:, 0] != digits[:, 1]).all()
