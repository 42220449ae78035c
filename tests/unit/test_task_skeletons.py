"""Real skeletons as tasks: normalised, split by person, and changed only in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attncourse.datasets import SkeletonData
from attncourse.tasks import Task, skeletons
from attncourse.tasks.skeletons import (
    HIP_CENTRE,
    LEFT_HIP,
    RIGHT_HIP,
    SHIFT,
    SHOULDER_CENTRE,
    SkeletonTask,
    body_normalised,
    clip_normalised,
    msr_action3d_task,
    resampled,
    utkinect_folds,
)


def people(subjects=4, actions=3, seed=0):
    """Random walks of 20 joints, twice for each person and action, of unequal lengths."""
    random = np.random.default_rng(seed)
    clips, who, what = [], [], []
    for subject in range(1, subjects + 1):
        for action in range(actions):
            for _ in range(2):
                steps = random.normal(size=(random.integers(5, 30), 20, 3)) * 0.05
                clips.append((random.normal(size=(20, 3)) + steps.cumsum(0)).astype(np.float32))
                who.append(subject)
                what.append(action)
    return SkeletonData(
        np.concatenate(clips),
        np.cumsum([0, *map(len, clips)]),
        np.array(what),
        np.array(who),
        np.ones(len(clips), dtype=np.int64),
        tuple(f"action {n}" for n in range(actions)),
        "random walks",
    )


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr(skeletons, "msr_action3d", people)
    return msr_action3d_task(frames=8)


def test_odd_people_train_and_even_people_test(task):
    data = people()
    assert isinstance(task, Task)
    assert task.classes == 3
    assert task.source == "random walks, 8 frames, odd subjects train, even subjects test"
    assert task.train_clips.shape == (12, 8 + SHIFT, 20, 3)
    assert task.test_set()[0].shape == (12, 8, 20, 3)
    odd = torch.from_numpy(data.subject % 2 == 1)
    assert torch.equal(task.train_labels, torch.from_numpy(data.action)[odd])
    assert torch.equal(task.test_labels, torch.from_numpy(data.action)[~odd])
    seen = {clip.numpy().tobytes() for clip in task.train_clips}
    assert not seen & {clip.numpy().tobytes() for clip in task.test_clips}
    assert "random walks" in repr(task)
    assert "tensor" not in repr(task)


def test_each_person_is_left_out_once(monkeypatch):
    monkeypatch.setattr(skeletons, "utkinect", people)
    folds = utkinect_folds(frames=8)
    assert len(folds.folds) == 4
    assert sum(len(fold.test_labels) for fold in folds.folds) == len(people())
    for fold in folds.folds:
        assert len(fold.train_labels) + len(fold.test_labels) == len(people())
        seen = {clip.numpy().tobytes() for clip in fold.train_clips}
        assert not seen & {clip.numpy().tobytes() for clip in fold.test_clips}
    assert "each of 4 subjects left out in turn" in repr(folds)
    assert torch.equal(folds.test_set()[0], folds.folds[0].test_set()[0])
    assert torch.equal(folds.train_batch(0, 1, 5)[0], folds.folds[0].train_batch(0, 1, 5)[0])
    assert folds.classes == 3


def test_training_clips_are_changed_and_test_clips_are_not(task):
    x, y = task.train_batch(0, 0, 12)
    again, same = task.train_batch(0, 0, 12)
    assert torch.equal(x, again)
    assert torch.equal(y, same)
    assert sorted(y.tolist()) == sorted(task.train_labels.tolist())
    assert not torch.equal(task.train_batch(0, 1, 12)[0], x)
    assert torch.equal(task.test_set()[0], task.test_set()[0])
    with pytest.raises(ValueError, match="size=13 exceeds the 12 training clips"):
        task.train_batch(0, 0, 13)


def test_the_spread_is_measured_on_training_clips_only(task):
    still = SkeletonTask(
        task.train_clips, task.train_labels, 100 + 10 * task.test_clips, task.test_labels,
        classes=3, source="shifted", noise=0, turn=0, stretch=0,
    )  # fmt: skip
    x = torch.cat([still.train_batch(0, step, 12)[0] for step in range(6)])
    assert x.mean().abs() < 0.1
    assert abs(x.std() - 1) < 0.1
    assert still.test_set()[0].mean() > 10


def test_a_turn_keeps_lengths_and_heights(task):
    turned = SkeletonTask(
        task.train_clips, task.train_labels, task.test_clips, task.test_labels,
        classes=3, source="turned", noise=0, stretch=0,
    )  # fmt: skip
    x = task.train_clips
    y = turned._changed(x, torch.Generator().manual_seed(0))
    norms = y.norm(dim=3).flatten(1).sort(dim=1).values
    wanted = [
        x[:, first : first + 8].norm(dim=3).flatten(1).sort(dim=1).values for first in (0, 1, 2)
    ]
    for n, row in enumerate(norms):
        assert any(torch.allclose(row, option[n], atol=1e-5) for option in wanted)
    heights = [x[0, first : first + 8, :, 1] for first in (0, 1, 2)]
    assert any(torch.equal(y[0, ..., 1], h) for h in heights)


def test_a_clip_is_centred_scaled_and_rid_of_lost_frames():
    clip = people().clip(0)
    lost = np.concatenate([clip[:2], np.zeros_like(clip[:3]), clip[2:]])
    np.testing.assert_allclose(clip_normalised(lost), clip_normalised(clip), atol=1e-6)
    moved = clip_normalised(3 * clip + 5)
    np.testing.assert_allclose(moved, clip_normalised(clip), atol=1e-4)
    assert abs(moved.mean(axis=(0, 1))).max() < 1e-5
    assert np.isclose(np.square(moved).sum(axis=2).mean(), 1, atol=1e-5)
    assert clip_normalised(np.zeros((4, 20, 3))).shape == (4, 20, 3)


def test_a_body_stands_at_the_origin_and_faces_one_way():
    clip = people().clip(3)
    angle = 1.1
    turn = np.array(
        [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
    )
    body = body_normalised(clip)
    np.testing.assert_allclose(body_normalised(2 * clip @ turn + 7), body, atol=1e-4)
    np.testing.assert_allclose(body[:, HIP_CENTRE], 0, atol=1e-6)
    across = (body[:, RIGHT_HIP] - body[:, LEFT_HIP]).mean(axis=0)
    assert across[0] > 0
    assert abs(across[2]) < 1e-5
    assert np.isclose(np.linalg.norm(body[:, SHOULDER_CENTRE], axis=1).mean(), 1)


def test_resampling_keeps_both_ends_and_straight_lines():
    line = np.arange(5.0)[:, None, None] * np.ones((5, 20, 3))
    np.testing.assert_allclose(resampled(line, 9)[:, 0, 0], np.linspace(0, 4, 9))
    np.testing.assert_allclose(resampled(line[:1], 4), np.zeros((4, 20, 3)))
