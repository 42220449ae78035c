"""Warped digits: the pose is what it says, training and test digits never mix."""

from __future__ import annotations

import math

import pytest
import torch

from attncourse.tasks import ImageTask, digits
from attncourse.tasks.base import seeded
from attncourse.tasks.warped_digits import WarpedDigits, render
from tests.unit.of_tasks import batch_of


def spot(size=33):
    """An image with one bright spot right of the centre, and its place in the frame."""
    image = torch.zeros(1, 1, size, size)
    image[0, 0, size // 2 - 1 : size // 2 + 2, 3 * size // 4 - 1 : 3 * size // 4 + 2] = 1.0
    column = 3 * size // 4
    return image, torch.tensor([(2 * column + 1) / size - 1, 0.0])


def centre(image):
    """Centre of mass in normalised (x, y)."""
    side = image.shape[-1]
    axis = (2 * torch.arange(side) + 1) / side - 1
    mass = image[0, 0]
    return torch.stack([(mass.sum(0) * axis).sum(), (mass.sum(1) * axis).sum()]) / mass.sum()


def test_batches_are_a_function_of_seed_and_step():
    task = WarpedDigits(fragments=1)
    x, y = batch_of(task)
    assert x.shape == (16, 1, 28, 28)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert 0 <= float(x.min()) <= float(x.max()) <= 1


@pytest.mark.parametrize(
    ("angle", "scale", "x", "y"),
    [(0, 1.0, 0, 0), (0, 0.5, 0.2, -0.3), (math.pi / 2, 0.6, 0, 0), (-0.7, 0.4, -0.3, 0.1)],
)
def test_a_point_lands_where_the_pose_says(angle, scale, x, y):
    """scale * R(angle) q + shift; the y axis points down, so that a positive angle is clockwise."""
    image, q = spot()
    shown = render(image, torch.tensor([[angle, scale, x, y]]), 101)
    turned = torch.tensor(
        [math.cos(angle) * q[0] - math.sin(angle) * q[1],
         math.sin(angle) * q[0] + math.cos(angle) * q[1]]
    )  # fmt: skip
    torch.testing.assert_close(
        centre(shown), scale * turned + torch.tensor([x, y]), atol=0.01, rtol=0
    )


def test_a_warp_by_the_inverse_pose_gives_the_digit_back():
    """What a perfect transformer would choose: theta = [scale R | shift]."""
    x, pose = WarpedDigits(side=64).draw(torch.arange(8), seeded(0), train=False)
    angle, scale, right, down = pose.unbind(1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack([cos, -sin, right, sin, cos, down], dim=1).view(-1, 2, 3)
    grid = torch.nn.functional.affine_grid(theta, [8, 1, 8, 8], align_corners=False)
    back = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    original = digits()[2][:8]
    for one, other in zip(back, original, strict=True):
        together = torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]
        assert together > 0.8


def test_poses_fill_their_ranges_and_nothing_else():
    task = WarpedDigits(angle=60, scale=(0.2, 0.9), shift=0.4)
    pose = task.poses(4_000, seeded(1))
    low = torch.tensor([-math.radians(60), 0.2, -0.4, -0.4])
    high = torch.tensor([math.radians(60), 0.9, 0.4, 0.4])
    assert (pose >= low).all()
    assert (pose <= high).all()
    assert (pose.min(0).values < low + 0.01 * (high - low)).all()
    assert (pose.max(0).values > high - 0.01 * (high - low)).all()
    together = torch.corrcoef(pose.T)
    assert (together - torch.eye(4)).abs().max() < 0.06, "the four numbers are independent"


def test_the_pose_does_not_tell_the_label():
    task = WarpedDigits()
    _, labels, pose = task.test_cases()
    for label in range(10):
        shift = pose[labels == label].mean(0) - pose.mean(0)
        noise = pose.std(0) / (labels == label).sum().sqrt()
        assert (shift.abs() < 4 * noise).all()


def test_training_and_test_digits_never_mix():
    """Each part shows only its own constant image."""

    def plain(value):
        return torch.full((3, 1, 8, 8), value)

    labels = torch.tensor([0, 1, 2])
    base = ImageTask(plain(0.25), labels, plain(0.75), labels, classes=3, source="constants")
    task = WarpedDigits(base, fragments=2, test_size=12)
    assert float(task.train_batch(0, 0, 32)[0].max()) == pytest.approx(0.25)
    assert float(task.test_set()[0].max()) == pytest.approx(0.75)
    assert task.test_set()[1].tolist() == [0, 1, 2] * 4
    assert task.classes == 3


def test_test_images_are_fixed_and_each_digit_takes_its_turn():
    x, y, pose = WarpedDigits().test_cases()
    again = WarpedDigits().test_cases()
    assert torch.equal(x, again[0])
    assert x.shape == (1_985, 1, 28, 28)
    assert pose.shape == (1_985, 4)
    assert torch.equal(y[:397], digits()[3])
    assert torch.equal(y[397:794], y[:397])


def test_fragments_only_add():
    alone = WarpedDigits()
    chosen = torch.arange(16)
    with_clutter = WarpedDigits(fragments=3).draw(chosen, seeded(4), train=True)
    without = alone.draw(chosen, seeded(4), train=True)
    assert torch.equal(with_clutter[1], without[1])
    assert (with_clutter[0] >= without[0]).all()
    assert (with_clutter[0] > without[0]).flatten(1).any(dim=1).float().mean() > 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scale": (0.0, 0.5)}, "scale="),
        ({"scale": (0.9, 0.2)}, "scale="),
        ({"side": 0}, "side=0"),
        ({"test_size": 0}, "test_size=0"),
        ({"angle": -1.0}, "angle=-1"),
        ({"shift": -0.1}, "shift=-0.1"),
        ({"fragments": -1}, "fragments=-1"),
    ],
)
def test_impossible_tasks_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        WarpedDigits(**arguments)
