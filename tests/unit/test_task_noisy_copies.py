"""Noisy copies: the spread of a copy tells whether it is spoilt, and its mean does not."""

from __future__ import annotations

import math

import pytest
import torch

from attncourse.tasks import digits
from attncourse.tasks.noisy_copies import NoisyCopies
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = NoisyCopies()
    x, y = batch_of(task)
    assert x.shape == (16, 8, 8, 8)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert task.classes == 10


def test_without_noise_every_copy_is_the_digit():
    """Test examples are of test digits, training examples are not; labels are the digits'."""
    train, train_labels, test, test_labels = digits()
    task = NoisyCopies(copies=3, noise=0.0, faint=0.0, test_size=60)
    for (x, y), images, labels in (
        (task.train_batch(0, 0, 60), train, train_labels),
        (task.test_set(), test, test_labels),
    ):
        known = {
            image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)
        }
        assert torch.equal(x, x[:, :1].expand_as(x))
        assert [known[image.numpy().tobytes()] for image in x[:, 0]] == y.tolist()


def test_the_units_are_the_digits_shown():
    task = NoisyCopies(noise=0.0, faint=0.0, test_size=80)
    units = task.test_units()
    assert units.name == "digits"
    assert torch.equal(task.test_set()[0][:, 0], digits()[2][units.of, 0])


def test_the_spread_tells_spoilt_copies_and_the_mean_does_not():
    x, _, spoilt = NoisyCopies(test_size=1_000).test_cases()
    means, spreads = x.mean(dim=(2, 3)), x.std(dim=(2, 3))
    assert (means - means[:, :1]).abs().max() < 1e-6
    assert spreads[spoilt].min() > 1.2
    assert spreads[~spoilt].max() < 0.6


def test_noise_has_the_strength_that_is_asked_for():
    quiet, loud = NoisyCopies(noise=0.0, faint=0.0), NoisyCopies(noise=3.0, faint=0.1)
    noise = loud.test_set()[0] - quiet.test_set()[0]
    spoilt = loud.test_cases()[2]
    # Centring takes one of 64 degrees of freedom.
    assert noise[spoilt].std() == pytest.approx(3.0 * math.sqrt(63 / 64), rel=0.01)
    assert noise[~spoilt].std() == pytest.approx(0.1 * math.sqrt(63 / 64), rel=0.01)


def test_copies_are_spoilt_by_chance_and_each_by_itself():
    _, y, spoilt = NoisyCopies(test_size=8_000).test_cases()
    share = spoilt.double()
    assert (share.mean(dim=0) - 0.75).abs().max() < 0.02
    together = torch.corrcoef(torch.cat([share, y[:, None].double()], dim=1).T)
    assert (together - torch.eye(9)).abs().max() < 0.05
    for chance in (0.0, 1.0):
        assert NoisyCopies(spoilt=chance, test_size=20).test_cases()[2].double().mean() == chance


def test_a_gain_multiplies_all_copies_of_an_example_alike():
    task = {gain: NoisyCopies(gain=gain, test_size=4_000) for gain in (0.0, 1.5)}
    (plain, y, spoilt), (gained, labels, also) = (t.test_cases() for t in task.values())
    assert torch.equal(y, labels)
    assert torch.equal(spoilt, also)
    factor = gained.square().sum(dim=(1, 2, 3)).sqrt() / plain.square().sum(dim=(1, 2, 3)).sqrt()
    torch.testing.assert_close(gained, factor[:, None, None, None] * plain)
    exponent = factor.log()
    assert exponent.abs().max() <= 1.5 + 1e-5
    assert exponent.mean() == pytest.approx(0, abs=0.05)
    assert exponent.std() == pytest.approx(1.5 / math.sqrt(3), rel=0.03)
    # A spread alone no longer tells: good copies of loud examples exceed spoilt ones of quiet.
    spreads = gained.std(dim=(2, 3))
    assert spreads[~spoilt].quantile(0.95) > spreads[spoilt].quantile(0.05)


def test_the_test_set_is_fixed_and_no_training_batch():
    x, y = NoisyCopies(test_size=50).test_set()
    assert torch.equal(x, NoisyCopies(test_size=50).test_cases()[0])
    assert len(y) == 50
    for step in range(3):
        batch, _ = NoisyCopies().train_batch(0, step, 50)
        assert torch.cdist(batch.flatten(1), x.flatten(1)).min() > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"copies": 0}, "copies=0 must be at least 1"),
        ({"faint": 3.0}, r"faint=3.0, noise=2.0: choose 0 <= faint <= noise"),
        ({"faint": -0.1}, "choose 0 <= faint <= noise"),
        ({"spoilt": 1.5}, "spoilt=1.5 is a chance"),
        ({"gain": -1.0}, "gain=-1.0 must be a number of at least 0"),
        ({"gain": math.nan}, "gain=nan"),
    ],
)
def test_impossible_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NoisyCopies(**arguments)
