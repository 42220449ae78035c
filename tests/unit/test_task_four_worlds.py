"""Four worlds: a turn moves pixels and no mean, an inversion turns every pixel over."""

from __future__ import annotations

import math

import pytest
import torch

from attncourse.tasks import digits
from attncourse.tasks.four_worlds import STYLES, FourWorlds, in_style
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = FourWorlds()
    x, y = batch_of(task)
    assert x.shape == (16, 1, 8, 8)
    assert (x.dtype, y.dtype, task.classes) == (torch.float32, torch.int64, 10)


def test_without_noise_every_example_is_a_digit_in_its_style():
    """Test examples are of test digits, training examples are not; labels are the digits'."""
    train, train_labels, test, test_labels = digits()
    task = FourWorlds(noise=0.0, told=True, test_size=80)
    for (x, y), images, labels in (
        (task.train_batch(0, 0, 80), train, train_labels),
        (task.test_set(), test, test_labels),
    ):
        known = {
            image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)
        }
        for (image, plane), label in zip(x, y, strict=True):
            style = int(plane[0, 0])
            assert (plane == style).all()
            plain = (1 - image if style >= 2 else image).rot90(-(style % 2), (0, 1))
            found = [known[p.contiguous().numpy().tobytes()] for p in [plain[None]]]
            assert found == [int(label)]


def test_the_units_and_the_styles_are_those_of_the_test_set():
    task = FourWorlds(noise=0.0, test_size=80)
    units, (x, _, styles) = task.test_units(), task.test_cases()
    assert units.name == "digits"
    assert torch.equal(x, in_style(digits()[2][units.of], styles))
    told = FourWorlds(noise=0.0, told=True, test_size=80).test_set()[0]
    assert torch.equal(told[:, :1], x)
    assert torch.equal(told[:, 1, 0, 0].long(), styles)


def test_styles_are_even_and_say_nothing_of_the_digit():
    _, y, styles = FourWorlds(test_size=8_000).test_cases()
    assert len(STYLES) == 4
    share = torch.nn.functional.one_hot(styles).double().mean(dim=0)
    assert (share - 0.25).abs().max() < 0.02
    table = torch.zeros(10, 4).index_put_((y, styles), torch.ones(()), accumulate=True)
    assert (table / table.sum(dim=1, keepdim=True) - 0.25).abs().max() < 0.07


def test_the_same_digits_in_every_style():
    task = FourWorlds()
    plain, turned, inverted, both = task.in_every_style(50)
    assert torch.equal(turned, plain.rot90(1, (2, 3)))
    assert torch.equal(inverted, 1 - plain)
    assert torch.equal(both, inverted.rot90(1, (2, 3)))
    torch.testing.assert_close(turned.mean(dim=(2, 3)), plain.mean(dim=(2, 3)))
    assert ((inverted - plain).mean(dim=(2, 3)).abs() > 0.05).float().mean() > 0.9
    quiet = FourWorlds(noise=0.0).in_every_style(50)[0]
    assert torch.equal(quiet, digits()[2][task.units_in_every_style(50).of])
    assert (plain - quiet).std() == pytest.approx(0.05, rel=0.05)


def test_the_test_set_is_fixed_and_no_training_batch():
    x, y = FourWorlds(test_size=50).test_set()
    assert torch.equal(x, FourWorlds(test_size=50).test_cases()[0])
    assert len(y) == 50
    for step in range(3):
        batch, _ = FourWorlds().train_batch(0, step, 50)
        assert torch.cdist(batch.flatten(1), x.flatten(1)).min() > 0.3


@pytest.mark.parametrize("noise", [-0.1, math.nan])
def test_an_impossible_noise_is_refused(noise):
    with pytest.raises(ValueError, match="noise="):
        FourWorlds(noise=noise)
