"""Skeleton actions as arrays: MSR Action3D and UTKinect-Action3D, from a local folder.

No address is known from which these sets may be downloaded, so that they are read from the folder
that ``ATTNCOURSE_DATA`` names, and never fetched.  Clips of unequal length are stored end to end:
clip i is rows ``offsets[i]`` to ``offsets[i + 1]``.

``skeleton/msraction3d.npz``
    ``xyzc`` (rows, 20, 4): x, y, z in metres and a confidence; ``offsets`` (n + 1,); ``action``
    from 0, ``subject`` from 1 and ``trial`` from 1, (n,) each; ``used_in_cvpr12`` (n,), true for
    the 557 sequences that are commonly used; ``action_names`` (20,).

``skeleton/utkinect_segments.npz``
    ``xyz`` (rows, 20, 3) in metres; ``offsets``; ``action`` from 0, ``subject`` from 1,
    ``episode`` 1 or 2; ``action_names`` (10,).

``skeleton/utkinect_joints_raw.zip``
    UTKinect's own text files, for those who have no ``.npz``: see ``utkinect_raw``.

Sources: W. Li, Z. Zhang, Z. Liu, *Action recognition based on a bag of 3D points*, CVPR workshops
2010; L. Xia, C.-C. Chen, J. K. Aggarwal, *View invariant human action recognition using histograms
of 3D joints*, CVPR workshops 2012.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attncourse.datasets.errors import DataError
from attncourse.datasets.store import DATA, Store
from attncourse.datasets.utkinect_raw import read_raw

JOINTS = 20
MSR_FILE = "skeleton/msraction3d.npz"
UTKINECT_FILE = "skeleton/utkinect_segments.npz"
UTKINECT_RAW = "skeleton/utkinect_joints_raw.zip"
#: Both sets unpack to less than 3 MB; this is where a file stops being one of them.
_MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class SkeletonData:
    """Clips of skeletons, with who did what.

    Attributes:
        xyz: (rows, 20, 3), float32, metres; all clips one after another.
        offsets: (n + 1,), int64; clip i is rows ``offsets[i]`` to ``offsets[i + 1]``.
        action: (n,), int64, from 0.
        subject: (n,), int64, from 1.
        repeat: (n,), int64, from 1: which trial or episode of the subject.
        actions: names of the actions, in the order of their numbers.
        source: what exactly this is, for the record.
    """

    xyz: np.ndarray
    offsets: np.ndarray
    action: np.ndarray
    subject: np.ndarray
    repeat: np.ndarray
    actions: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.action)

    def clip(self, index: int) -> np.ndarray:
        """Clip ``index``: (frames, 20, 3)."""
        return self.xyz[self.offsets[index] : self.offsets[index + 1]]

    def chosen(self, keep: np.ndarray) -> SkeletonData:
        """Only the clips where ``keep`` (n,) is true."""
        clips = [self.clip(int(index)) for index in np.flatnonzero(keep)]
        lengths = [len(clip) for clip in clips]
        return SkeletonData(
            np.concatenate(clips) if clips else self.xyz[:0],
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
            self.action[keep],
            self.subject[keep],
            self.repeat[keep],
            self.actions,
            self.source,
        )


def load_msr_action3d(store: Store, *, usual: bool = True) -> SkeletonData:
    """Read MSR Action3D.

    Args:
        store: where to look.
        usual: keep the 557 sequences that are commonly used, of 567.

    Raises:
        DataError: if the file is not in the local folder, or not laid out as said above.
    """
    path = _found(store, [MSR_FILE])
    arrays = _read(store, path, ["xyzc", "offsets", "action", "subject", "trial",
                                 "used_in_cvpr12", "action_names"])  # fmt: skip
    keep = arrays.pop("used_in_cvpr12")
    arrays["xyz"], arrays["repeat"] = arrays.pop("xyzc"), arrays.pop("trial")
    data = _checked(arrays, last=4, source="MSR Action3D", path=path, store=store)
    if keep.shape != (len(data),) or keep.dtype != bool:
        raise DataError(
            f"{path}: used_in_cvpr12 is not one truth value a clip: {store.remedy(path)}"
        )
    return data.chosen(keep) if usual else data


def load_utkinect(store: Store) -> SkeletonData:
    """Read UTKinect-Action3D, cut into its actions.

    Args:
        store: where to look.

    Raises:
        DataError: if neither file is in the local folder, or one is not laid out as said above.
    """
    path = _found(store, [UTKINECT_FILE, UTKINECT_RAW])
    source = "UTKinect-Action3D"
    if path.suffix == ".zip":
        arrays = read_raw(path, store.remedy(path))
    else:
        names = ["xyz", "offsets", "action", "subject", "episode", "action_names"]
        arrays = _read(store, path, names)
    arrays["repeat"] = arrays.pop("episode")
    return _checked(arrays, last=3, source=source, path=path, store=store)


def _found(store: Store, names: Sequence[str]) -> Path:
    for name in names:
        if paths := store.local([name]):
            return paths[0]
    where = f"{DATA} is not set" if store.data is None else f"{DATA}={store.data} lacks it"
    raise DataError(
        f"{' or '.join(names)} is needed, and {where}: set {DATA} to a folder that holds it. "
        f"It is not downloaded, because no address is known that may hand it out; "
        f"attncourse.datasets.skeleton says how it is laid out."
    )


def _read(store: Store, path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        if sum(item.file_size for item in zipfile.ZipFile(path).infolist()) > _MOST_BYTES:
            raise ValueError("it unpacks to more than such a set holds")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except Exception as error:  # zip, zlib and NumPy each have their own classes
        raise DataError(
            f"{path} does not hold {', '.join(names)} ({type(error).__name__}: {error}): "
            f"{store.remedy(path)}"
        ) from error


def _checked(
    arrays: dict[str, np.ndarray], *, last: int, source: str, path: Path, store: Store
) -> SkeletonData:
    """The data, once its arrays are known to fit each other.

    Raises:
        DataError: otherwise.
    """
    xyz, offsets, names = arrays["xyz"], arrays["offsets"], arrays["action_names"]
    count = len(offsets) - 1
    problem = ""
    if xyz.ndim != 3 or xyz.shape[1:] != (JOINTS, last) or xyz.dtype.kind != "f":
        problem = f"its joints are {xyz.dtype} of shape {xyz.shape}, not (rows, {JOINTS}, {last})"
    elif not np.isfinite(xyz).all():
        problem = "a coordinate is not a finite number"
    elif offsets.ndim != 1 or offsets.dtype.kind not in "iu" or count < 1:
        problem = f"offsets are {offsets.dtype} of shape {offsets.shape}"
    elif (
        offsets[0] != 0 or offsets[-1] != len(xyz) or (np.diff(offsets.astype(np.int64)) < 1).any()
    ):
        problem = "offsets do not run from 0 to the last row with at least one frame a clip"
    else:
        for name, low, high in (
            ("action", 0, len(names) - 1),
            ("subject", 1, 99),
            ("repeat", 1, 99),
        ):
            values = arrays[name]
            if values.shape != (count,) or values.dtype.kind not in "iu":
                problem = f"{name} is {values.dtype} of shape {values.shape} for {count} clips"
            elif values.min() < low or values.max() > high:
                problem = f"{name} is not from {low} to {high}"
    if problem:
        raise DataError(f"{path} is not {source}: {problem}: {store.remedy(path)}")
    return SkeletonData(
        np.ascontiguousarray(xyz[..., :3], dtype=np.float32),
        offsets.astype(np.int64),
        arrays["action"].astype(np.int64),
        arrays["subject"].astype(np.int64),
        arrays["repeat"].astype(np.int64),
        tuple(str(name) for name in names),
        source,
    )
