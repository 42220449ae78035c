"""Cue and look: the label is in the named corner, and nothing else tells it."""

from __future__ import annotations

import pytest
import torch

from attncourse.spatial.recurrent_attention.sensor import read_glimpse
from attncourse.tasks import digits
from attncourse.tasks.cue_and_look import CueAndLook, corner_locations
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = CueAndLook()
    x, y = batch_of(task)
    assert x.shape == (16, 1, 20, 20)
    assert 0 <= int(y.min()) <= int(y.max()) < task.classes


@pytest.mark.parametrize("side", [20, 34])
def test_the_label_is_the_digit_in_the_named_corner(side):
    _, _, images, labels = digits()
    images = images.mul(16).byte()  # as stored; a bilinear reading rounds the last bits
    known = {
        image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)
    }
    x, y, corner = CueAndLook(side, test_size=200).test_cases()
    looked = read_glimpse(x, corner_locations()[corner], 8)[:, 0].mul(16).round().byte()
    assert [known[seen.numpy().tobytes()] for seen in looked] == y.tolist()


def test_the_cue_stands_in_the_middle_and_differs_in_one_quadrant():
    x, _, corner = CueAndLook(test_size=400).test_cases()
    quadrants = x[:, 0, 8:12, 8:12].unfold(1, 2, 2).unfold(2, 2, 2).flatten(1, 2)
    assert torch.equal(quadrants.amin((2, 3)), quadrants.amax((2, 3)))
    assert torch.equal(quadrants.amax((2, 3)).argmax(1), corner)
    assert torch.bincount(corner, minlength=4).min() > 70


def test_nothing_but_the_cue_tells_the_corner():
    """With the cue wiped out, the corner is independent of what is left: same digits, any cue."""
    x, _, corner = CueAndLook(test_size=4000).test_cases()
    x[:, :, 8:12, 8:12] = 0
    means = torch.stack([x[corner == c].mean(0) for c in range(4)])
    noise = x.std(0) * (2 / 1000) ** 0.5
    assert ((means - means.mean(0)).abs() <= 5 * noise + 1e-6).all()
    assert (x[:, :, 8:12] == 0).all()
    assert (x[..., 8:12] == 0).all()


def test_training_and_test_digits_never_mix():
    train, *_ = digits()
    pool = {image.numpy().tobytes() for image in train}

    def corners(x):
        parts = [x[:, :, i : i + 8, j : j + 8] for i in (0, 12) for j in (0, 12)]
        return {image.numpy().tobytes() for part in parts for image in part}

    task = CueAndLook(test_size=300)
    assert not corners(task.test_set()[0]) & pool
    assert corners(task.train_batch(0, 0, 300)[0]) <= pool


@pytest.mark.parametrize("side", [18, 21])
def test_a_canvas_without_room_is_refused(side):
    with pytest.raises(ValueError, match=f"side={side} must be even and at least 20"):
        CueAndLook(side)
