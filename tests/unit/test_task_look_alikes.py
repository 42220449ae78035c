"""Look-alikes: the square tells the type of a scene, and nothing else does."""

from __future__ import annotations

import math

import pytest
import torch

from attncourse.tasks.look_alikes import LOOK_ALIKES, LookAlikes
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = LookAlikes()
    x, y = batch_of(task, size=8)
    assert (x.shape, y.shape) == ((8, 1, 16, 16), (8, 16, 16))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert task.classes == 6


@pytest.mark.parametrize("patch", [1, 3, 6])
def test_every_class_is_of_its_type_and_the_square_is_whole(patch):
    _, y, kind = LookAlikes(patch=patch, test_size=60).test_cases()
    assert torch.equal(y % 2, kind[:, None, None].expand_as(y))
    inside = y >= LOOK_ALIKES
    assert torch.equal(inside.sum(dim=(1, 2)), torch.full((60,), patch**2))
    for axis in (1, 2):
        assert torch.equal(inside.any(dim=axis).sum(dim=1), torch.full((60,), patch))
    assert 0.3 < kind.double().mean() < 0.7


def test_textures_are_stripes_of_their_direction():
    """Without noise: rows for 0 and 1, columns for 2 and 3, a diagonal each for 4 and 5."""
    x, y, _ = LookAlikes(patch=6, noise=0.0, test_size=40).test_cases()
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    for kind, (down, across) in {0: (0, 1), 1: (0, 1), 2: (1, 0), 3: (1, 0)}.items():
        near, far = y[:, : 16 - down, : 16 - across], y[:, down:, across:]
        both = (near == kind) & (far == kind)
        image = x[:, 0]
        assert torch.equal(
            image[:, : 16 - down, : 16 - across][both], image[:, down:, across:][both]
        )
    for kind, turned in ((4, True), (5, False)):
        image, labels = (t.flip(2) if turned else t for t in (x[:, 0], y))
        both = (labels[:, :-1, :-1] == kind) & (labels[:, 1:, 1:] == kind)
        assert both.any()
        assert torch.equal(image[:, :-1, :-1][both], image[:, 1:, 1:][both])


def test_outside_the_square_both_types_are_drawn_alike():
    """Change the type alone: no look-alike pixel changes, and its class does by one."""
    task = LookAlikes(test_size=200)
    x, y, kind = task.test_cases()
    outside = y < LOOK_ALIKES
    for moment in (1, 2):
        means = [(x[:, 0][outside & (kind == k)[:, None, None]] ** moment).mean() for k in (0, 1)]
        assert float(means[0]) == pytest.approx(float(means[1]), abs=0.03)
    shares = [(y[kind == k] == k).double().mean() for k in (0, 1)]
    assert float(shares[0]) == pytest.approx(float(shares[1]), abs=0.08)


def test_the_test_set_is_fixed_and_no_training_batch():
    task = LookAlikes(test_size=50)
    x, y = task.test_set()
    assert torch.equal(x, task.test_cases()[0])
    assert len(y) == 50
    for step in range(3):
        batch, _ = LookAlikes().train_batch(0, step, 50)
        assert torch.cdist(batch.flatten(1), x.flatten(1)).min() > 1


def test_test_scenes_may_have_another_size():
    task = LookAlikes(test_size=9, test_side=24)
    x, y = task.test_set()
    assert x.shape == (9, 1, 24, 24)
    assert torch.equal(x, LookAlikes(side=24, test_size=9).test_set()[0])
    assert ((y >= LOOK_ALIKES).sum(dim=(1, 2)) == 9).all()
    assert torch.equal(task.train_batch(0, 0, 4)[0], LookAlikes().train_batch(0, 0, 4)[0])
    with pytest.raises(ValueError, match="patch=3 must lie from 1 to side=2"):
        LookAlikes(test_side=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 0}, "patch=0 must lie from 1 to side=16"),
        ({"patch": 17}, "patch=17 must lie from 1"),
        ({"noise": -1.0}, "noise=-1.0 must be a number of at least 0"),
        ({"noise": math.inf}, "noise=inf"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LookAlikes(**arguments)
