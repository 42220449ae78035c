"""Segmentation: a class for every pixel, and how well the classes overlap with the truth.

The intersection over union of a class, IoU, is the number of pixels where prediction and truth
both say the class, over the number where at least one of them does.  Pixels that carry the
task's ``ignore_index`` count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from attncourse.datasets import SegmentationData
from attncourse.tasks.base import epoch_batch, seeded


def confusion(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Pixels by (true class, predicted class), (classes, classes); other labels are ignored."""
    counts = (truth >= 0) & (truth < classes)
    pairs = truth[counts] * classes + predicted[counts]
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)


def class_iou(matrix: Tensor) -> Tensor:
    """IoU of every class of a confusion matrix, (classes,); NaN for one that never occurs."""
    both = matrix.diagonal().double()
    either = matrix.sum(dim=0) + matrix.sum(dim=1) - both
    return both / either


@torch.no_grad()
def model_confusion(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> Tensor:
    """Confusion matrix of a model's largest logits, in eval mode; its mode is put back."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        matrices = []
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            logits = model(images.to(device))
            matrices.append(confusion(logits.argmax(dim=1).cpu(), labels, logits.shape[1]))
    finally:
        model.train(training)
    return torch.stack(matrices).sum(dim=0)


def mean_iou(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> float:
    """Mean over the classes of their IoU over all test pixels together, from 0 to 1.

    A class that neither the truth nor the prediction ever names is left out of the mean.
    """
    return float(class_iou(model_confusion(model, x, y, batch_size)).nanmean())


@dataclass(frozen=True)
class SegmentationTask:
    """Scenes in memory, drawn without replacement within an epoch, half of them mirrored.

    Attributes:
        train_images: (n, 3, h, w) float images.
        train_labels: (n, h, w) integer labels.
        test_images: (m, 3, h, w).
        test_labels: (m, h, w).
        classes: number of classes; the label ``classes`` is ignored.
        source: where the scenes come from, for the record.
    """

    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    classes: int
    source: str

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Scenes and labels of batch ``step``; an epoch's last, short batch is left out."""
        chosen = epoch_batch(len(self.train_labels), size, "training scenes", seed, step)
        x, y = self.train_images[chosen], self.train_labels[chosen]
        mirrored = torch.rand(size, generator=seeded(seed, step, 1)) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        return x, torch.where(mirrored[:, None, None], y.flip(-1), y)

    def test_set(self) -> tuple[Tensor, Tensor]:
        """All test scenes and labels."""
        return self.test_images, self.test_labels

    def class_shares(self) -> Tensor:
        """Share of each class in the training pixels that have one, (classes,)."""
        counts = torch.bincount(self.train_labels.flatten(), minlength=self.classes + 1)
        counts = counts[: self.classes].double()
        return counts / counts.sum()


def segmentation_task(data: SegmentationData, factor: int = 1) -> SegmentationTask:
    """A task from stored scenes, standardised by the training pixels of each colour.

    Args:
        data: the scenes; validation scenes are left aside.
        factor: keep one pixel for ``factor`` along each side: images by their mean, labels by
            the pixel nearest to the middle.
    """
    train, test = (_shrunk(x, factor) for x in (data.train_images, data.test_images))
    mean, spread = train.mean(dim=(0, 2, 3), keepdim=True), train.std(dim=(0, 2, 3), keepdim=True)
    classes = len(data.classes)
    labels = []
    for stored in (data.train_labels, data.test_labels):
        nearest = torch.from_numpy(stored[:, factor // 2 :: factor, factor // 2 :: factor].copy())
        labels.append(nearest.long().masked_fill(nearest == data.ignore_index, classes))
    return SegmentationTask(
        (train - mean) / spread, labels[0], (test - mean) / spread, labels[1],
        classes=classes, source=f"{data.source}, 1/{factor} of each side",
    )  # fmt: skip


def _shrunk(images: np.ndarray, factor: int) -> Tensor:
    x = torch.from_numpy(images).movedim(-1, 1).float().div(255)
    return torch.nn.functional.avg_pool2d(x, factor) if factor > 1 else x
