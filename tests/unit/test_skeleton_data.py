"""Skeleton files: what is read, and what is said when something is wrong with them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from attncourse import datasets
from attncourse.datasets import DataError
from attncourse.datasets.skeleton import MSR_FILE, UTKINECT_FILE, UTKINECT_RAW
from attncourse.datasets.utkinect_raw import parse_joints, parse_labels

LABELS = """s01_e01
walk: 3 5
sitDown: 8 9
carry: NaN NaN
s02_e01
walk: 1 2
sitDown: 4 4
carry: 5 6
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNCOURSE_DATA", str(tmp_path))
    (tmp_path / "skeleton").mkdir()
    return tmp_path


def arrays(last, **changes):
    random = np.random.default_rng(0)
    return {
        "offsets": np.array([0, 3, 8, 10]),
        "action": np.array([0, 1, 1]),
        "subject": np.array([1, 2, 3]),
        "action_names": np.array(["wave", "clap"]),
        "xyzc" if last == 4 else "xyz": random.normal(size=(10, 20, last)).astype(np.float32),
        "trial" if last == 4 else "episode": np.array([1, 1, 2]),
        **({"used_in_cvpr12": np.array([True, False, True])} if last == 4 else {}),
        **changes,
    }


def test_msr_action3d_keeps_the_usual_clips(folder):
    stored = arrays(4)
    np.savez(folder / MSR_FILE, **stored)
    data = datasets.msr_action3d()
    assert len(data) == 2
    np.testing.assert_array_equal(data.clip(0), stored["xyzc"][:3, :, :3])
    np.testing.assert_array_equal(data.clip(1), stored["xyzc"][8:, :, :3])
    assert data.subject.tolist() == [1, 3]
    assert data.action.tolist() == [0, 1]
    assert data.repeat.tolist() == [1, 2]
    assert data.actions == ("wave", "clap")
    assert data.source == "MSR Action3D"


def test_utkinect_is_read_from_its_arrays(folder):
    stored = arrays(3)
    np.savez(folder / UTKINECT_FILE, **stored)
    data = datasets.utkinect()
    assert len(data) == 3
    np.testing.assert_array_equal(data.clip(1), stored["xyz"][3:8])


def raw_lines(numbers):
    return "".join(f"{n} " + " ".join([f"{n}.5"] * 60) + "\n" for n in numbers)


def test_utkinect_is_read_from_its_own_text(folder):
    with zipfile.ZipFile(folder / UTKINECT_RAW, "w") as archive:
        archive.writestr("joints/actionLabel.txt", LABELS)
        archive.writestr("joints/joints_s01_e01.txt", raw_lines([2, 3, 3, 5, 7, 8, 9, 9]))
        archive.writestr("joints/joints_s02_e01.txt", raw_lines(range(1, 8)))
    data = datasets.utkinect()
    assert data.actions == ("walk", "sitDown", "carry")
    assert data.action.tolist() == [0, 1, 0, 1, 2]
    assert data.subject.tolist() == [1, 1, 2, 2, 2]
    assert [len(data.clip(n)) for n in range(5)] == [2, 2, 2, 1, 2]
    assert data.clip(0)[:, 0, 0].tolist() == [3.5, 5.5]


def test_wrong_text_is_refused():
    with pytest.raises(ValueError, match="x, line 1: 2 numbers, not 61"):
        parse_joints("1 2\n", "x")
    with pytest.raises(ValueError, match="x is empty"):
        parse_joints("\n", "x")
    with pytest.raises(ValueError, match="line 2: 'walk: three' is no action"):
        parse_labels("s01_e01\nwalk: three\n", "x")
    with pytest.raises(ValueError, match="same actions in the same order"):
        parse_labels("s01_e01\nwalk: 1 2\ns01_e02\nrun: 1 2\n", "x")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"xyz": np.zeros((10, 19, 3), dtype=np.float32)}, "its joints are float32 of shape"),
        ({"xyz": np.full((10, 20, 3), np.nan)}, "not a finite number"),
        ({"offsets": np.array([0, 3, 3, 10])}, "at least one frame a clip"),
        ({"offsets": np.array([0, 3, 8, 9])}, "do not run from 0 to the last row"),
        ({"offsets": np.zeros((2, 2))}, "offsets are float64"),
        ({"action": np.array([0, 1, 2])}, "action is not from 0 to 1"),
        ({"subject": np.array([1, 2])}, "for 3 clips"),
        ({"episode": np.array([0, 1, 2])}, "repeat is not from 1 to 99"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(folder, changes, words):
    np.savez(folder / UTKINECT_FILE, **arrays(3, **changes))
    with pytest.raises(DataError, match=words):
        datasets.utkinect()


def test_other_files_are_refused(folder):
    (folder / UTKINECT_FILE).write_bytes(b"not a zip")
    with pytest.raises(DataError, match="does not hold xyz, offsets"):
        datasets.utkinect()
    np.savez(folder / MSR_FILE, **arrays(4, used_in_cvpr12=np.ones(3)))
    with pytest.raises(DataError, match="not one truth value a clip"):
        datasets.msr_action3d()
    (folder / UTKINECT_FILE).unlink()
    with zipfile.ZipFile(folder / UTKINECT_RAW, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(DataError, match=r"is not UTKinect's joints .*lacks joints/actionLabel"):
        datasets.utkinect()


def test_without_a_folder_it_says_what_to_do(monkeypatch):
    monkeypatch.delenv("ATTNCOURSE_DATA", raising=False)
    with pytest.raises(DataError, match="ATTNCOURSE_DATA is not set: set ATTNCOURSE_DATA"):
        datasets.msr_action3d()
    with pytest.raises(DataError, match="not downloaded"):
        datasets.utkinect()
