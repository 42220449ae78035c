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
from attncourse.tasks.base import Units, drawn_on_the_processor, epoch_batch, seeded


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


def model_confusion(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> Tensor:
    """Confusion matrix of a model's largest logits over all images, (classes, classes)."""
    return scene_confusions(model, x, y, batch_size).sum(dim=0)


@torch.no_grad()
def scene_confusions(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> Tensor:
    """One confusion matrix for each image, (n, classes, classes), in eval mode, put back after."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        matrices = []
        for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            logits = model(images.to(device))
            matrices += [
                confusion(answer, truth, logits.shape[1])
                for answer, truth in zip(logits.argmax(dim=1).cpu(), labels, strict=True)
            ]
    finally:
        model.train(training)
    return torch.stack(matrices)


def mean_iou(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> float:
    """Mean over the classes of their IoU over all test pixels together, from 0 to 1.

    A class that neither the truth nor the prediction ever names is left out of the mean.
    """
    return float(class_iou(model_confusion(model, x, y, batch_size)).nanmean())


def mean_iou_items(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> Tensor:
    """One number for each scene, (n,), whose mean is :func:`mean_iou`.

    The score is no mean over scenes: a class's pixels are summed over all of them first.  The
    number of scene i is the score plus the scene's *influence*, n times the slope of the score in
    the weight of that scene (the infinitesimal jackknife):

        IoU_c = I_c / U_c,   item_i = score + n mean_c (I_ci - IoU_c U_ci) / U_c

    Influences add up to zero.  Scenes resampled by these numbers move the score as scenes
    resampled in the sums would, up to terms of second order.
    """
    matrices = scene_confusions(model, x, y, batch_size).double()
    both = matrices.diagonal(dim1=1, dim2=2)
    either = matrices.sum(dim=1) + matrices.sum(dim=2) - both
    occurs = either.sum(dim=0) > 0
    both, either = both[:, occurs], either[:, occurs]
    iou = both.sum(dim=0) / either.sum(dim=0)
    influence = len(x) * ((both - iou * either) / either.sum(dim=0)).mean(dim=1)
    return iou.mean() + influence


@drawn_on_the_processor
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
        stretch: test scenes in a row that are much alike, as those of one film are.
    """

    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    classes: int
    source: str
    stretch: int = field(default=1, repr=False)

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

    def test_units(self) -> Units | None:
        """Stretches of the film, where scenes in a row are alike."""
        if self.stretch == 1:
            return None
        return Units("stretches of film", torch.arange(len(self.test_labels)) // self.stretch)

    def class_shares(self) -> Tensor:
        """Share of each class in the training pixels that have one, (classes,)."""
        counts = torch.bincount(self.train_labels.flatten(), minlength=self.classes + 1)
        counts = counts[: self.classes].double()
        return counts / counts.sum()


def segmentation_task(
    data: SegmentationData, factor: int = 1, stretch: int = 1
) -> SegmentationTask:
    """A task from stored scenes, standardised by the training pixels of each colour.

    Args:
        data: the scenes; validation scenes are left aside.
        factor: keep one pixel for ``factor`` along each side: images by their mean, labels by
            the pixel nearest to the middle.
        stretch: test scenes in a row that are much alike.
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
        classes=classes, source=f"{data.source}, 1/{factor} of each side", stretch=stretch,
    )  # fmt: skip


def _shrunk(images: np.ndarray, factor: int) -> Tensor:
    x = torch.from_numpy(images).movedim(-1, 1).float().div(255)
    return torch.nn.functional.avg_pool2d(x, factor) if factor > 1 else x
