"""Local corruption: regions of each copy are covered by bright clutter, each by itself."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks import digits
from attncourse.tasks.local_corruption import LocalCorruption
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = LocalCorruption()
    x, y = batch_of(task)
    assert x.shape == (16, 8, 8, 8)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert task.classes == 10


def test_where_nothing_covers_it_every_copy_is_the_digit():
    """Test examples are of test digits, training examples are not; labels are the digits'."""
    train, train_labels, test, test_labels = digits()
    task = LocalCorruption(copies=3, covered=0.0, test_size=60)
    for (x, y), images, labels in (
        (task.train_batch(0, 0, 60), train, train_labels),
        (task.test_set(), test, test_labels),
    ):
        known = {
            image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)
        }
        assert torch.equal(x, x[:, :1].expand_as(x))
        assert [known[image.numpy().tobytes()] for image in x[:, 0]] == y.tolist()


def test_covered_pixels_are_the_digit_and_clutter_and_the_others_the_digit():
    task = LocalCorruption(test_size=500)
    x, _, covered = task.test_cases()
    units = task.test_units()
    assert units.name == "digits"
    clutter = x - digits()[2][units.of]
    assert clutter[~covered].abs().max() == 0
    assert clutter[covered].mean() == pytest.approx(2.5, abs=0.02)
    assert clutter[covered].std() == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize("region", [1, 2, 4, 8])
def test_regions_are_covered_whole_by_chance_and_each_by_itself(region):
    covered = LocalCorruption(region=region, test_size=2_000).test_cases()[2].double()
    cells = covered.unflatten(3, (-1, region)).unflatten(2, (-1, region))
    assert torch.equal(cells, cells[:, :, :, :1, :, :1].expand_as(cells))
    each = cells[:, :, :, 0, :, 0].flatten(1)
    assert (each.mean(dim=0) - 0.6).abs().max() < 0.05
    some = each[:, :20]
    assert (torch.corrcoef(some.T) - torch.eye(some.shape[1])).abs().max() < 0.1


def test_almost_every_place_is_clean_somewhere_and_no_copy_everywhere():
    """0.6 to the power of 8 is 1.7 %, and a copy is clean in all four quadrants in 2.6 %."""
    covered = LocalCorruption(test_size=4_000).test_cases()[2].double()
    assert covered.amin(dim=1).mean() == pytest.approx(0.6**8, abs=0.004)
    assert 1 - covered.amax(dim=(2, 3)).mean() == pytest.approx(0.4**4, abs=0.005)


def test_the_test_set_is_fixed_and_no_training_batch():
    x, y = LocalCorruption(test_size=50).test_set()
    assert torch.equal(x, LocalCorruption(test_size=50).test_cases()[0])
    assert len(y) == 50
    for step in range(3):
        batch, _ = LocalCorruption().train_batch(0, step, 50)
        assert torch.cdist(batch.flatten(1), x.flatten(1)).min() > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"copies": 0}, "copies=0 must be at least 1"),
        ({"region": 3}, "region=3 must divide the side of 8"),
        ({"covered": 1.5}, "covered=1.5 is a chance"),
        ({"spread": -1.0}, "spread=-1.0 must be a number of at least 0"),
    ],
)
def test_impossible_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalCorruption(**arguments)
