"""Overlap scores, scenes in memory, and the small network for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attncourse.backbones.segmenter import SmallSegmenter
from attncourse.datasets import SegmentationData
from attncourse.tasks import Task
from attncourse.tasks.segmentation import (
    SegmentationTask,
    class_iou,
    confusion,
    mean_iou,
    segmentation_task,
)


def test_iou_by_hand():
    truth = torch.tensor([0, 0, 1, 1, 1, 2, 9])
    guess = torch.tensor([0, 1, 1, 1, 0, 2, 0])
    matrix = confusion(guess, truth, 4)
    assert matrix.tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    iou = class_iou(matrix)
    assert iou[:3].tolist() == [1 / 3, 2 / 4, 1.0]
    assert iou[3].isnan()


class Stored(nn.Module):
    """Logits that name a stored class for every pixel."""

    def __init__(self, classes):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.classes = classes

    def forward(self, x):
        wanted = torch.arange(self.classes)[:, None, None]
        return self.scale * (x[:, :1].round() == wanted).float()


def test_the_mean_is_over_all_pixels_and_leaves_out_what_is_ignored():
    y = torch.tensor([[[0, 1], [2, 3]], [[0, 0], [3, 3]]])  # 3 is ignored
    x = y.clamp(max=2)[:, None].float()
    model = Stored(3).train()
    assert mean_iou(model, x, y, batch_size=1) == 1.0
    assert model.training
    x[1, 0, 0, 0] = 1  # one of three zeros becomes a one
    assert mean_iou(model, x, y) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    never = torch.zeros(1, 1, 2, 2)
    assert mean_iou(model, never, torch.zeros(1, 2, 2, dtype=torch.long)) == 1.0


def scenes(count=6, side=8, classes=3):
    numbers = torch.arange(float(count)).view(-1, 1, 1, 1)
    images = numbers * 100 + torch.arange(float(side)).expand(count, 3, side, side)
    labels = torch.arange(side).remainder(classes).expand(count, side, side)
    return SegmentationTask(images, labels, images[:1] + 0.5, labels[:1], classes, "numbers")


def test_an_epoch_shows_every_scene_once_and_mirrors_both():
    task = scenes()
    assert isinstance(task, Task)
    seen, mirrored = [], []
    for step in range(3):
        x, y = task.train_batch(0, step, 2)
        for image, labels in zip(x, y, strict=True):
            seen.append(int(image.min()) // 100)
            flipped = bool(image[0, 0, 0] > image[0, 0, -1])
            mirrored.append(flipped)
            wanted = task.train_labels[0].flip(-1) if flipped else task.train_labels[0]
            assert torch.equal(labels, wanted)
    assert sorted(seen) == list(range(6))
    many = [task.train_batch(s, 0, 6)[0][:, 0, 0] for s in range(20)]
    share = torch.cat(many)
    assert 0.3 < (share[:, 0] > share[:, -1]).float().mean() < 0.7
    with pytest.raises(ValueError, match="size=7 exceeds the 6 training scenes"):
        task.train_batch(0, 0, 7)


def test_stored_scenes_become_a_task():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 8, 12, 3)).astype(np.uint8)
    labels = np.repeat(np.repeat(rng.integers(0, 4, (4, 4, 6)), 2, 1), 2, 2).astype(np.uint8)
    data = SegmentationData(
        images, labels, images[:1], labels[:1], images[:2], labels[:2], ("a", "b", "c"), 3, "made"
    )
    whole, half = segmentation_task(data), segmentation_task(data, factor=2)
    assert whole.train_images.shape == (4, 3, 8, 12)
    assert half.train_images.shape == (4, 3, 4, 6)
    assert torch.equal(half.train_labels, torch.from_numpy(labels[:, ::2, ::2]).long())
    for task in (whole, half):
        torch.testing.assert_close(task.train_images.mean(dim=(0, 2, 3)), torch.zeros(3))
        torch.testing.assert_close(task.train_images.std(dim=(0, 2, 3)), torch.ones(3))
        torch.testing.assert_close(task.test_images, task.train_images[:2])
        assert task.classes == 3
    shares = whole.class_shares()
    assert shares.sum() == pytest.approx(1.0)
    known = labels[labels < 3]
    assert shares[1] == pytest.approx((known == 1).mean())


@pytest.mark.parametrize("side", [(24, 24), (17, 23), (1, 1)])
def test_the_network_answers_for_every_pixel(side):
    net = SmallSegmenter(classes=5, widths=(4, 6, 8)).eval()
    assert net(torch.randn(2, 3, *side)).shape == (2, 5, *side)


def test_blocks_stand_side_by_side_behind_the_encoder():
    class Shift(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.by = nn.Parameter(torch.zeros(channels, 1, 1))

        def forward(self, x):
            return x + self.by

    net = SmallSegmenter((Shift, nn.Identity), widths=(4, 6))
    assert [block.by.shape for block in net.blocks[:1]] == [(6, 1, 1)]
    assert len(net.behind) == 2
    coarse = net.encoder(torch.randn(1, 3, 24, 20))
    assert coarse.shape == (1, 6, 12, 10)
    y = net(torch.randn(2, 3, 24, 20))
    y.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
