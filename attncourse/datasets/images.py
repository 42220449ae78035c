"""What every loader of this layer returns, and the checks it has to pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attncourse.datasets.errors import DataError


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


@dataclass(frozen=True)
class Split:
    """One part of a data set as it was read.

    Attributes:
        images: (n, h, w) or (n, h, w, 3), uint8.
        labels: (n,), any integer type.
        name: the file or files it came from, for error messages.
    """

    images: np.ndarray
    labels: np.ndarray
    name: str


def assemble(train: Split, test: Split, *, classes: tuple[str, ...], source: str) -> ImageData:
    """Join two splits, once they are known to fit each other and their labels.

    The arrays are contiguous and writable: a tensor may share their memory without a warning.

    Raises:
        DataError: if images and labels differ in number, the splits differ in image shape, or a
            label has no class.
    """
    for split in (train, test):
        if len(split.images) != len(split.labels):
            raise DataError(
                f"{source}: {split.name} hold {len(split.images)} images but {len(split.labels)} "
                f"labels: they are not two files of one set; fetch both anew"
            )
        wrong = split.labels[(split.labels < 0) | (split.labels >= len(classes))]
        if len(wrong):
            raise DataError(
                f"{source}: {split.name} hold the label {wrong[0]}, but the classes are "
                f"0 to {len(classes) - 1}: fetch the labels anew"
            )
    if train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(
            f"{source}: images of {train.name} have the shape {train.images.shape[1:]}, those of "
            f"{test.name} {test.images.shape[1:]}: they are not of one set; fetch both anew"
        )
    return ImageData(
        np.require(train.images, np.uint8, ["C", "W", "O"]),
        train.labels.astype(np.int64),
        np.require(test.images, np.uint8, ["C", "W", "O"]),
        test.labels.astype(np.int64),
        classes,
        source,
    )
