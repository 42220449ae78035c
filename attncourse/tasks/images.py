"""Classification of images that are held in memory, and scikit-learn's digits."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.datasets import ImageData, cifar10, fashion_mnist
from attncourse.tasks.base import drawn_on_the_processor, epoch_batch, seeded

#: Digits kept for testing, of 1,797: a fixed share of one fixed shuffle.
DIGITS_TEST = 397


@drawn_on_the_processor
@dataclass(frozen=True)
class ImageTask:
    """Images and labels in memory, drawn without replacement within an epoch.

    Attributes:
        train_images: (n, c, h, w) float images.
        train_labels: (n,) integer labels.
        test_images: (m, c, h, w).
        test_labels: (m,).
        classes: number of classes.
        source: where the images come from, for the record.
    """

    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    classes: int
    source: str

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Inputs and labels of batch ``step``; an epoch's last, short batch is left out."""
        chosen = epoch_batch(len(self.train_labels), size, "training images", seed, step)
        return self.train_images[chosen], self.train_labels[chosen]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """All test images and labels."""
        return self.test_images, self.test_labels


#: Tells the draw of the moves from that of the batches.
_MOVES = 1


def moved_and_mirrored(
    x: Float[Tensor, "b c h w"], reach: int, generator: torch.Generator
) -> Float[Tensor, "b c h w"]:
    """Each image moved by up to ``reach`` pixels along each side, half of them mirrored."""
    count, _, height, width = x.shape
    top, left = torch.randint(0, 2 * reach + 1, (2, count), generator=generator)
    mirrored = torch.rand(count, generator=generator) < 0.5
    windows = F.pad(x, [reach] * 4).unfold(2, height, 1).unfold(3, width, 1)
    moved = windows[torch.arange(count), :, top, left]
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


@drawn_on_the_processor
@dataclass(frozen=True)
class MovedImageTask(ImageTask):
    """The same, with every training image moved and half of them mirrored anew in each batch.

    Attributes:
        reach: most pixels along each side.
    """

    reach: int = 4

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Inputs and labels of batch ``step``; the moves, too, are fixed by seed and step."""
        images, labels = super().train_batch(seed, step, size)
        return moved_and_mirrored(images, self.reach, seeded(seed, step, _MOVES)), labels


@cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """scikit-learn's handwritten digits: real, 8 x 8, shipped with the library.

    Returns:
        train images (1400, 1, 8, 8) in [0, 1], train labels, test images (397, 1, 8, 8) and
        test labels, split by one fixed shuffle.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(images).float().div(16).reshape(-1, 1, 8, 8)
    y = torch.from_numpy(labels).long()
    order = torch.randperm(len(y), generator=seeded(1797))
    x, y = x[order], y[order]
    return x[:-DIGITS_TEST], y[:-DIGITS_TEST], x[-DIGITS_TEST:], y[-DIGITS_TEST:]


def digits_of(train: bool) -> tuple[Tensor, Tensor]:
    """Images and labels of the digits' training part, or of their test part."""
    train_x, train_y, test_x, test_y = digits()
    return (train_x, train_y) if train else (test_x, test_y)


def digits_task() -> ImageTask:
    """Ten-way classification of the digits."""
    return ImageTask(*digits(), classes=10, source="scikit-learn digits")


def fashion_mnist_task() -> ImageTask:
    """Ten-way classification of garments, 28 x 28; needs the data (see ``attncourse.datasets``)."""
    return image_task(fashion_mnist())


def cifar10_task() -> ImageTask:
    """Ten-way classification of photographs, 32 x 32, moved and mirrored; needs the data."""
    return MovedImageTask(**vars(image_task(cifar10())))


def image_task(data: ImageData) -> ImageTask:
    """A task from stored images, standardised by the mean and spread of the training pixels."""
    train = torch.from_numpy(data.train_images).float().div(255)
    test = torch.from_numpy(data.test_images).float().div(255)
    mean, spread = train.mean(), train.std()

    def prepared(x: Tensor) -> Tensor:
        x = (x - mean) / spread
        return (x.movedim(-1, 1) if x.ndim == 4 else x.unsqueeze(1)).contiguous()

    return ImageTask(
        prepared(train),
        torch.from_numpy(data.train_labels).long(),
        prepared(test),
        torch.from_numpy(data.test_labels).long(),
        classes=len(data.classes),
        source=data.source,
    )
