"""UTKinect's own text files, in one zip.

``joints/joints_s01_e01.txt`` and so on: one line a frame, the frame's number and 60 coordinates,
x y z of 20 joints.  ``joints/actionLabel.txt``: for every recording its name, and a line for each
action with the numbers of its first and last frame.  A corrected copy with the name
``actionLabel_modified.txt`` is taken where it is there.  One action has no frames (``NaN``), and
a line of a recording may repeat the frame before: both are left out.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np

from attncourse.datasets.errors import DataError

_LABELS = ("joints/actionLabel_modified.txt", "joints/actionLabel.txt")
_NUMBERS = 61
_MOST_BYTES = 1 << 26


def read_raw(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """Cut all recordings of the zip into their actions.

    Args:
        path: the zip.
        remedy: what messages advise.

    Returns:
        ``xyz``, ``frame``, ``offsets``, ``action``, ``subject``, ``episode`` and
        ``action_names``, as in ``utkinect_segments.npz``.

    Raises:
        DataError: if the zip or one of its files is not what it should be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MOST_BYTES:
                raise ValueError("it unpacks to more than such a set holds")
            names = set(archive.namelist())
            label = next((name for name in _LABELS if name in names), None)
            if label is None:
                raise ValueError(f"it lacks {_LABELS[-1]}")
            segments = parse_labels(archive.read(label).decode("ascii"), label)
            clips = []
            for recording, actions in segments.items():
                file = f"joints/joints_{recording}.txt"
                frames, xyz = parse_joints(archive.read(file).decode("ascii"), file)
                for number, (first, last) in enumerate(actions.values()):
                    inside = (frames >= first) & (frames <= last)  # never with NaN
                    if inside.any():
                        person, episode = (int(part[1:]) for part in recording.split("_"))
                        clips.append((xyz[inside], frames[inside], number, person, episode))
            if not clips:
                raise ValueError("no action has a frame")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not UTKinect's joints ({error}): {remedy}") from error
    xyz, frames, action, subject, episode = zip(*clips, strict=True)
    return {
        "xyz": np.concatenate(xyz),
        "frame": np.concatenate(frames).astype(np.int32),
        "offsets": np.cumsum([0, *map(len, xyz)], dtype=np.int64),
        "action": np.array(action, dtype=np.int64),
        "subject": np.array(subject, dtype=np.int64),
        "episode": np.array(episode, dtype=np.int64),
        "action_names": np.array(list(next(iter(segments.values())))),
    }


def parse_labels(text: str, name: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Recording -> action -> numbers of its first and last frame, NaN where there are none.

    Raises:
        ValueError: if a line is none of this, or recordings have other actions than the first.
    """
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if re.fullmatch(r"s\d+_e\d+", line.strip()):
            found[line.strip()] = {}
            continue
        parts = re.fullmatch(r"(\w+):\s*(\d+|NaN)\s+(\d+|NaN)\s*", line)
        if parts is None or not found:
            raise ValueError(f"{name}, line {number}: {line[:40]!r} is no action with its frames")
        found[next(reversed(found))][parts[1]] = (float(parts[2]), float(parts[3]))
    orders = {tuple(actions) for actions in found.values()}
    if len(orders) != 1 or not next(iter(orders)):
        raise ValueError(f"{name}: the recordings do not have the same actions in the same order")
    return found


def parse_joints(text: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers (t,) and joints (t, 20, 3) of a recording; repeated lines are left out.

    Raises:
        ValueError: if a line does not hold 61 numbers.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            values = [float(word) for word in line.split()]
            if len(values) != _NUMBERS:
                raise ValueError(f"{name}, line {number}: {len(values)} numbers, not {_NUMBERS}")
            rows.append(values)
    if not rows:
        raise ValueError(f"{name} is empty")
    table = np.array(rows)
    frames = table[:, 0].astype(np.int64)
    new = np.concatenate([[True], np.diff(frames) != 0])
    return frames[new], table[new, 1:].reshape(-1, 20, 3).astype(np.float32)
