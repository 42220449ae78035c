"""Object scale: the digit, its size and its place are what the task says they are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.tasks import Task, digits
from attncourse.tasks.object_scale import FreeInk, ObjectScale
from tests.unit.of_tasks import batch_of

QUIET = ObjectScale(noise=0.0)


def test_batches_are_a_function_of_seed_and_step():
    task = ObjectScale()
    x, y = batch_of(task)
    assert x.shape == (16, 1, 24, 24)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("side", [8, 11, 20, 24])
def test_painting_is_bilinear_enlargement(side):
    task = ObjectScale(largest=24, noise=0.0)
    images = digits()[2][:5]
    corners = torch.stack([torch.arange(5), torch.arange(5).flip(0)]).clamp(max=24 - side)
    painted = task.paint(images, torch.full((5,), side), corners)
    for image, canvas, row, column in zip(images, painted, *corners.tolist(), strict=True):
        wanted = F.interpolate(image[None], size=side, mode="bilinear", align_corners=False)[0]
        patch = canvas[:, row : row + side, column : column + side]
        torch.testing.assert_close(patch, wanted, atol=1e-6, rtol=1e-6)
        assert canvas.sum() == pytest.approx(float(patch.sum()), rel=1e-6), "ink outside the box"


def test_test_images_are_of_test_digits_and_training_images_are_not():
    """At 8 pixels a digit is painted as it is, so it can be found again."""
    train, _, test, _ = digits()
    known = {image.numpy().tobytes() for image in train}
    held_out = {image.numpy().tobytes() for image in test}
    task = ObjectScale(8, 8, 8, noise=0.0, test_size=60)
    for images, mine, other in (
        (task.train_batch(0, 0, 60)[0], known, held_out),
        (task.test_set()[0], held_out, known),
        (task.enlarged(8, 60)[0], held_out, known),
    ):
        found = [image.numpy().tobytes() for image in images]
        assert all(f in mine for f in found)
        assert not any(f in other for f in found)


def test_sides_are_all_there_and_say_nothing_of_the_label():
    x, y, sides = ObjectScale(noise=0.0, test_size=4_000).test_cases()
    assert sorted(set(sides.tolist())) == list(range(8, 21))
    for side in (8, 20):
        share = F.one_hot(y[sides == side], 10).float().mean(dim=0)
        assert (share - 0.1).abs().max() < 0.07
    for image, side in zip(x[:50, 0], sides[:50].tolist(), strict=True):
        for axis in (0, 1):
            inked = (image.sum(dim=axis) > 0).nonzero()
            assert int(inked.max() - inked.min()) + 1 <= side


def test_enlarged_shows_the_same_digits_at_the_same_centres():
    pairs = [QUIET.enlarged(side, 30) for side in (8, 14, 20)]
    assert torch.equal(pairs[0][1], pairs[2][1])
    rows = torch.arange(24.0) + 0.5
    centres = [(x[:, 0].sum(2) @ rows) / x.sum((1, 2, 3)) for x, _ in pairs]
    assert (centres[0] - centres[1]).abs().max() < 1.5
    assert not torch.equal(pairs[0][0], pairs[1][0])
    assert torch.equal(QUIET.enlarged(14, 30)[0], pairs[1][0])
    with pytest.raises(ValueError, match="side=21 does not occur: choose 8 to 20"):
        QUIET.enlarged(21)


def test_contrast_scales_the_digit_and_not_the_noise():
    task = ObjectScale()
    digit, noise = QUIET.enlarged(8, 20)[0], task.enlarged(8, 20)[0] - QUIET.enlarged(8, 20)[0]
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    torch.testing.assert_close(task.enlarged(8, 20, contrast=2.5)[0], 2.5 * digit + noise)


def test_copies_are_whole_digits_of_eight_pixels_with_that_many_times_the_ink():
    one, labels = QUIET.enlarged(8, 20)
    for copies in (1, 6, 9):
        x, again = QUIET.repeated(copies, 20)
        assert torch.equal(again, labels)
        torch.testing.assert_close(x.sum((1, 2, 3)), copies * one.sum((1, 2, 3)))
        tiles = x.unfold(2, 8, 8).unfold(3, 8, 8).reshape(20, 9, 64)
        shown = tiles.any(dim=2).sum(dim=1)
        assert (shown == copies).all()
        inked = tiles[0][tiles[0].any(dim=1)]
        assert (inked == inked[0]).all()
    noisy = ObjectScale().repeated(6, 20)[0] - QUIET.repeated(6, 20)[0]
    torch.testing.assert_close(noisy, ObjectScale().enlarged(8, 20)[0] - one)
    for copies in (0, 10):
        with pytest.raises(ValueError, match=f"copies={copies} do not fit: choose 1 to 9"):
            QUIET.repeated(copies)


def test_sizes_that_do_not_fit_are_refused():
    for wrong in ((7, 20, 24), (12, 10, 24), (8, 25, 24)):
        with pytest.raises(ValueError, match="choose 8 <= smallest <= largest <= canvas"):
            ObjectScale(*wrong)


def test_free_ink_says_nothing_of_the_size():
    """Without noise the ink of an image is the sum of its pixels."""
    usual, free = (task(noise=0.0, test_size=4_000).test_cases() for task in (ObjectScale, FreeInk))
    assert torch.equal(usual[1], free[1])
    assert torch.equal(usual[2], free[2])
    ink = [x.sum(dim=(1, 2, 3)) for x, _, _ in (usual, free)]
    together = [float(torch.corrcoef(torch.stack([i, usual[2].float()]))[0, 1]) for i in ink]
    assert together[0] > 0.9
    assert abs(together[1]) < 0.05
    times = ink[1] / ink[0] * (usual[2] / 8) ** 2  # ink of a digit over its ink at 8 pixels
    assert 0.99 < times.min() < 1.1
    assert 5.7 < times.max() < 6.35
    assert isinstance(FreeInk(), Task)
    assert torch.equal(*[FreeInk().train_batch(1, 2, 8)[0] for _ in range(2)])
