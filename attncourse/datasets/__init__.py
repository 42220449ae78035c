"""MNIST, Fashion-MNIST and CIFAR-10 as arrays: checked, cached, resumed, or read from a folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageData:
    """Images and labels as arrays.

    Attributes:
        train_images: (n, h, w) or (n, h, w, 3), uint8.
        train_labels: (n,), int64.
        test_images: (m, h, w) or (m, h, w, 3), uint8.
        test_labels: (m,), int64.
        classes: names of the classes, in label order.
        source: what exactly this is, for the record.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    source: str


def fashion_mnist() -> ImageData:
    raise NotImplementedError
