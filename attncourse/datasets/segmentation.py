"""What a loader of scenes with a class at every pixel returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SegmentationData:
    """Images, and a class for every pixel of them, as arrays.

    Attributes:
        train_images: (n, h, w, 3), uint8.
        train_labels: (n, h, w), uint8; classes 0, 1, ... or ``ignore_index``.
        validation_images: (v, h, w, 3), uint8.
        validation_labels: (v, h, w), uint8.
        test_images: (m, h, w, 3), uint8.
        test_labels: (m, h, w), uint8.
        classes: names of the classes, in label order; ``ignore_index`` is none of them.
        ignore_index: the label of pixels that count neither in training nor in a score.
        source: what exactly this is, for the record.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    ignore_index: int
    source: str
