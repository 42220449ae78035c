"""Tasks: seeded, split, and each row of the ladder hides its bit in one statistic only."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from attncourse.datasets import ImageData
from attncourse.tasks import ROWS, ImageTask, StatisticLadder, digits, digits_task, image_task
from attncourse.tasks.base import seeded
from attncourse.tasks.images import MovedImageTask
from tests.unit.of_tasks import batch_of


@pytest.mark.parametrize("task", [StatisticLadder(row) for row in ROWS] + [digits_task()])
def test_batches_are_a_function_of_seed_and_step(task):
    x, y = batch_of(task)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert 0 <= int(y.min()) <= int(y.max()) < task.classes


def test_the_digits_are_real_and_split_once():
    train, train_labels, test, test_labels = digits()
    assert train.shape == (1400, 1, 8, 8)
    assert test.shape == (397, 1, 8, 8)
    assert float(train.max()) == 1.0
    assert len(set(test_labels.tolist())) == 10
    seen = {image.numpy().tobytes() for image in train}
    assert sum(image.numpy().tobytes() in seen for image in test) == 0
    assert len(train_labels) == 1400


def test_an_epoch_shows_every_image_once():
    task = ImageTask(
        torch.arange(12.0).view(12, 1, 1, 1), torch.zeros(12).long(),
        torch.zeros(1, 1, 1, 1), torch.zeros(1).long(), classes=1, source="numbers",
    )  # fmt: skip
    epochs = [
        torch.cat([task.train_batch(0, step, 4)[0] for step in range(3 * e, 3 * e + 3)]).flatten()
        for e in range(2)
    ]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(12))
    assert not torch.equal(*epochs)
    with pytest.raises(ValueError, match="size=13 exceeds the 12 training images"):
        task.train_batch(0, 0, 13)


def test_moved_images_show_the_same_picture_elsewhere():
    """A picture of single bright pixels: each stays one pixel, at most ``reach`` away."""
    count, side, reach = 400, 9, 2
    images = torch.zeros(count, 2, side, side)
    images[:, :, 4, 3] = 1
    task = MovedImageTask(
        images, torch.arange(count), images[:1], torch.zeros(1).long(), classes=count,
        source="pixels", reach=reach,
    )  # fmt: skip
    x, y = task.train_batch(3, 5, count)
    assert x.shape == images.shape
    assert sorted(y.tolist()) == list(range(count)), "labels go with their images"
    assert torch.equal(x[:, 0], x[:, 1]), "all channels move together"
    n, row, column = x[:, 0].nonzero().T
    assert n.tolist() == list(range(count))
    assert set(row.tolist()) == set(range(4 - reach, 5 + reach))
    as_is, mirrored = set(range(3 - reach, 4 + reach)), set(range(5 - reach, 6 + reach))
    assert set(column.tolist()) == as_is | mirrored
    again, _ = task.train_batch(3, 5, count)
    assert torch.equal(x, again)
    other, _ = task.train_batch(4, 5, count)
    assert not torch.equal(x, other)
    assert torch.equal(task.test_set()[0], images[:1]), "test images stay where they are"


def test_labels_follow_the_bit_and_the_digits():
    """The label is A's where the bit is set, else B's: checked through the images themselves."""
    _, _, test, labels = digits()
    known = {image.numpy().tobytes(): int(label) for image, label in zip(test, labels, strict=True)}
    x, y, bit = StatisticLadder("mean", test_size=300).test_cases()
    for example, label, b in zip(x, y, bit, strict=True):
        shown = example[0 if b else 1].numpy().tobytes()
        assert known[shown] == int(label)
    assert 0.4 < bit.float().mean() < 0.6


def statistics(row):
    """Sample statistics of the cue fields, split by the bit."""
    x, _, bit = StatisticLadder(row, test_size=4000).test_cases()
    one, two = x[:, 2].flatten(1), x[:, 3].flatten(1)
    wave = torch.cos(math.pi * (torch.arange(8) + 0.5) / 8).repeat(8)
    found = {
        "mean": one.mean(1),
        "std": one.std(1),
        "dct": (one * wave).mean(1),
        "cov": (one * two).mean(1),
        "fourth": (one.square() * two.square()).mean(1),
    }
    return {name: (v[bit == 1], v[bit == 0]) for name, v in found.items()}


@pytest.mark.parametrize(
    ("row", "moved"),
    [
        ("mean", {"mean"}),
        ("std", {"std", "fourth"}),
        ("dct", {"dct"}),
        ("cov", {"cov"}),
        ("code", {"fourth"}),
    ],
)
def test_the_bit_moves_its_statistic_and_no_other(row, moved):
    for name, (on, off) in statistics(row).items():
        gap = abs(on.mean() - off.mean()) / torch.sqrt(on.var() / 2 + off.var() / 2 + 1e-10)
        if name in moved:
            assert gap > 1, f"{name} does not carry the bit of row {row}"
        else:
            assert gap < 0.1, f"{name} leaks the bit of row {row}: {gap:.2f}"


def test_all_rows_but_the_first_are_centred_for_each_image():
    for row in ROWS:
        x, _, _ = StatisticLadder(row, test_size=50).test_cases()
        means = x[:, 2:].mean(dim=(2, 3)).abs().max()
        assert (means < 1e-6) == (row != "mean")


def test_code_has_sixteen_pixels_on_each_cluster():
    x, _, bit = StatisticLadder("code", test_size=20).test_cases()
    angle = torch.atan2(x[:, 3], x[:, 2]).flatten(1) / (math.pi / 2) - bit.view(-1, 1) / 2
    nearest = angle.round().remainder(4).long()
    for image in nearest:
        assert torch.bincount(image, minlength=4).tolist() == pytest.approx([16] * 4, abs=1)


def test_training_and_test_digits_never_mix():
    train_x, *_ = digits()
    pool = {image.numpy().tobytes() for image in train_x}
    x, _ = StatisticLadder("mean").test_set()
    assert not any(example[0:1].numpy().tobytes() in pool for example in x[:100])
    x, _ = StatisticLadder("mean").train_batch(0, 0, 100)
    assert all(example[0:1].numpy().tobytes() in pool for example in x)


def test_impossible_rows_are_refused():
    with pytest.raises(ValueError, match="row='median' is unknown: choose one of mean, std"):
        StatisticLadder("median")
    with pytest.raises(ValueError, match=r"strength=1.5 does not suit row 'cov'"):
        StatisticLadder("cov", strength=1.5)
    with pytest.raises(ValueError, match="strength=-1"):
        StatisticLadder("mean", strength=-1)


def test_a_strength_of_zero_hides_nothing():
    x, _, bit = StatisticLadder("mean", strength=0.0, test_size=2000).test_cases()
    means = x[:, 2].mean(dim=(1, 2))
    assert abs(means[bit == 1].mean() - means[bit == 0].mean()) < 0.02


def test_seeds_do_not_collide():
    numbers = {
        int(torch.randint(2**40, (1,), generator=seeded(a, b)))
        for a in range(20)
        for b in range(20)
    }
    assert len(numbers) == 400


@pytest.mark.parametrize("colour", [False, True])
def test_stored_images_become_a_task(colour):
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (6, 5, 3) if colour else (6, 5)
    make = lambda n: rng.integers(0, 256, (n, *shape), dtype=np.uint8)  # noqa: E731
    labels = lambda n: np.arange(n, dtype=np.int64) % 2  # noqa: E731
    data = ImageData(make(20), labels(20), make(4), labels(4), ("a", "b"), "noise")
    task = image_task(data)
    assert task.train_images.shape == (20, 3 if colour else 1, 6, 5)
    assert abs(float(task.train_images.mean())) < 1e-5
    assert float(task.train_images.std()) == pytest.approx(1, abs=1e-4)
    assert task.source == "noise"
    assert len(dataclasses.asdict(data)["classes"]) == task.classes
