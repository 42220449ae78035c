"""A copy of CIFAR-10 whose images went through JPEG: close to the original, not equal to it.

One ``.npz`` for each batch, with ``jpeg`` (all files one after another, uint8), ``offsets``
(n + 1,) of their beginnings and the end, and ``labels`` (n,).
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from attncourse.datasets.cifar_records import SIDE
from attncourse.datasets.errors import DataError
from attncourse.datasets.images import Split

# A 32 x 32 JPEG has about a kilobyte; this is where a batch stops being one.
_MOST_BYTES = 1 << 14


def read_jpeg(path: Path, rows: int, remedy: str) -> Split:
    """Decode one batch of the JPEG copy.

    Args:
        path: the ``.npz``.
        rows: how many images it must hold.
        remedy: what messages advise.

    Returns:
        Images (rows, 32, 32, 3) and labels (rows,), uint8.

    Raises:
        DataError: if the file is damaged, lacks an array, or an image is no 32 x 32 RGB JPEG.
    """
    try:
        if sum(item.file_size for item in zipfile.ZipFile(path).infolist()) > rows * _MOST_BYTES:
            raise ValueError("it unpacks to more than so many small images")
        with np.load(path, allow_pickle=False) as batch:
            jpeg, offsets, labels = batch["jpeg"], batch["offsets"], batch["labels"]
        _check(jpeg, offsets, labels, rows)
    except Exception as error:  # zip, zlib, NumPy and the checks each have their own classes
        raise DataError(
            f"{path} is not a batch of {rows} JPEG images ({type(error).__name__}: {error}): "
            f"{remedy}"
        ) from error
    images = np.empty((rows, SIDE, SIDE, 3), np.uint8)
    data = jpeg.tobytes()
    for index in range(rows):
        try:
            with Image.open(
                io.BytesIO(data[offsets[index] : offsets[index + 1]]), formats=["JPEG"]
            ) as image:
                if image.size != (SIDE, SIDE) or image.mode != "RGB":
                    raise ValueError(f"{image.size[0]} x {image.size[1]} pixels, {image.mode}")
                images[index] = np.asarray(image)
        except (OSError, ValueError, SyntaxError) as error:  # Pillow: SyntaxError for bad headers
            raise DataError(
                f"{path}: image {index} is no {SIDE} x {SIDE} RGB JPEG ({error}): {remedy}"
            ) from error
    return Split(images, labels, str(path))


def _check(jpeg: np.ndarray, offsets: np.ndarray, labels: np.ndarray, rows: int) -> None:
    if jpeg.ndim != 1 or jpeg.dtype != np.uint8:
        raise ValueError(f"jpeg is {jpeg.dtype} with {jpeg.ndim} axes, not bytes in a row")
    if labels.shape != (rows,) or labels.dtype.kind not in "ui":
        raise ValueError(f"labels are {labels.dtype} of shape {labels.shape}")
    if offsets.shape != (rows + 1,) or offsets.dtype.kind not in "ui":
        raise ValueError(f"offsets are {offsets.dtype} of shape {offsets.shape}")
    if offsets[0] != 0 or offsets[-1] != len(jpeg) or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise ValueError("offsets do not run from 0 to the end of the images")
