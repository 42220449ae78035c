"""The reference discs: the answer is in the reference's colour, and nowhere near the disc."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.base import seeded
from attncourse.tasks.reference_discs import COLOURS, REFERENCE, ReferenceDiscs
from tests.unit.of_tasks import batch_of

CLEAN = ReferenceDiscs(noise=0.0)


def test_batches_are_a_function_of_seed_and_step():
    task = ReferenceDiscs(test_size=8)
    x, y = batch_of(task)
    assert x.shape == (16, 3, 24, 24)
    assert y.shape == (16, 24, 24)
    assert set(y.flatten().tolist()) == {0, 1, 2, REFERENCE}
    assert task.classes == REFERENCE == 3


def test_training_and_test_scenes_never_mix():
    task = ReferenceDiscs()
    test = {scene.numpy().tobytes() for scene in task.test_set()[0]}
    assert len(test) == task.test_size
    for seed in range(5):
        x, _ = task.train_batch(seed, 0, 256)
        assert not any(scene.numpy().tobytes() in test for scene in x)


def colour_of(scene, where):
    """Index of the one pure colour in the pixels ``where``, core aside."""
    pixels = scene[:, where].T
    found = {tuple(p) for p in pixels.tolist()} - {(1.0, 1.0, 1.0)}
    assert len(found) == 1, found
    return COLOURS.index(found.pop())


def test_labels_compare_each_disc_with_the_reference():
    x, y, disc = CLEAN.draw(200, seeded(0))
    for scene, labels, number in zip(x, y, disc, strict=True):
        assert (labels[number == -1] == 0).all()
        assert (scene[:, number == -1] == 0).all()
        own = colour_of(scene, number == 0)
        assert (labels[number == 0] == REFERENCE).all()
        for k in range(1, 5):
            same = colour_of(scene, number == k) == own
            assert (labels[number == k] == (2 if same else 1)).all()
            assert same == (k <= 2)


def test_every_scene_has_five_discs_and_one_core():
    x, _, disc = CLEAN.draw(200, seeded(1))
    for scene, number in zip(x, disc, strict=True):
        assert set(number.flatten().tolist()) == {-1, 0, 1, 2, 3, 4}
        white = (scene == 1).all(dim=0)
        assert white.any()
        assert (number[white] == 0).all()


def test_a_disc_by_itself_does_not_tell_its_class():
    """Colour, size and place of a disc are the same for both classes, on average."""
    x, y, disc = CLEAN.draw(1500, seeded(2))
    down = torch.arange(24.0)[:, None].expand(24, 24)
    seen = {1: [], 2: []}
    for scene, labels, number in zip(x, y, disc, strict=True):
        for k in range(1, 5):
            where = number == k
            which = torch.nn.functional.one_hot(torch.tensor(colour_of(scene, where)), 4)
            row = torch.tensor([where.sum() / 24, down[where].mean() / 24, *which])
            seen[int(labels[where][0])].append(row)
    other, same = (torch.stack(rows) for rows in seen.values())
    gap = (other.mean(0) - same.mean(0)).abs() / torch.cat([other, same]).std(0)
    assert gap.max() < 0.1, gap


def test_noise_is_a_spread():
    quiet, loud = (ReferenceDiscs(noise=n).train_batch(0, 0, 64)[0] for n in (0.0, 0.3))
    assert (loud - quiet).std() == pytest.approx(0.3, rel=0.02)
    with pytest.raises(ValueError, match="noise=-1 is a spread"):
        ReferenceDiscs(noise=-1)
