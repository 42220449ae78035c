"""CIFAR-10 from whichever of its forms is at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attncourse.datasets.cifar_jpeg import read_jpeg
from attncourse.datasets.cifar_pickle import read_pickle
from attncourse.datasets.cifar_records import RECORD, parse_records, read_archive
from attncourse.datasets.errors import DataError
from attncourse.datasets.images import ImageData, Split, assemble
from attncourse.datasets.registry import CifarBatch, CifarSet
from attncourse.datasets.store import Store, sha256_of


def load_cifar(which: CifarSet, store: Store) -> ImageData:
    """Read a set of CIFAR's make, from the local folder or the cache or the net.

    The local folder may hold, in this order of preference, ``cifar-10-batches-bin/``, the
    archive ``cifar-10-binary.tar.gz``, ``cifar-10-batches-py/`` or the JPEG copy
    ``cifar10_jpeg/``.

    Args:
        which: the set.
        store: where to look.

    Returns:
        Images (n, 32, 32, 3), uint8, and labels (n,), int64.  ``source`` says so when the images
        went through JPEG.

    Raises:
        DataError: if the set cannot be had, or a file is not what it should be.
    """
    groups = [layout.names(which) for layout in LAYOUTS]
    for layout, names in zip(LAYOUTS, groups, strict=True):
        if paths := store.local(names):
            batches = layout.read(which, paths, store.remedy(paths[0]))
            return _joined(which, batches, which.title + layout.remark)
    path = store.fetch(which.archive, folder=which.folder, mirrors=which.mirrors, instead=groups)
    return _joined(which, _read_archive(which, [path], store.remedy(path)), which.title)


def _joined(which: CifarSet, batches: Sequence[Split], source: str) -> ImageData:
    *train, test = batches
    whole = Split(
        np.concatenate([batch.images for batch in train]),
        np.concatenate([batch.labels for batch in train]),
        f"{train[0].name} to {train[-1].name}",
    )
    return assemble(whole, test, classes=which.classes, source=source)


def _all(which: CifarSet) -> tuple[CifarBatch, ...]:
    """The batches in the order in which all readers give them: training first, then test."""
    return (*which.train, which.test)


@dataclass(frozen=True)
class _Layout:
    """One form in which a local folder may hold the set.

    Attributes:
        names: the set -> names of all files below the folder.
        read: the set, paths of these files, what to advise -> the batches.
        remark: what the record adds to the title.
    """

    names: Callable[[CifarSet], list[str]]
    read: Callable[[CifarSet, Sequence[Path], str], list[Split]]
    remark: str = ""


def _binary_names(which: CifarSet) -> list[str]:
    return [f"cifar-10-batches-bin/{batch.name}.bin" for batch in _all(which)]


def _read_binary(which: CifarSet, paths: Sequence[Path], remedy: str) -> list[Split]:
    size = which.rows * RECORD
    return [
        parse_records(
            _verified(path, size, batch.binary_sha256, remedy), which.rows, str(path), remedy
        )
        for path, batch in zip(paths, _all(which), strict=True)
    ]


def _read_archive(which: CifarSet, paths: Sequence[Path], remedy: str) -> list[Split]:
    try:
        found = sha256_of(paths[0])
    except OSError as error:
        raise DataError(f"{paths[0]} cannot be read ({error}): {remedy}") from error
    if found != which.archive.sha256:
        raise _different(paths[0], found, which.archive.sha256, remedy)
    return read_archive(paths[0], _binary_names(which), which.rows, remedy)


def _read_python(which: CifarSet, paths: Sequence[Path], remedy: str) -> list[Split]:
    # Besides the records, these files carry the names of the source images.
    size = which.rows * (RECORD + 200) + 4096
    return [
        read_pickle(
            _verified(path, size, batch.python_sha256, remedy), which.rows, str(path), remedy
        )
        for path, batch in zip(paths, _all(which), strict=True)
    ]


def _read_jpeg(which: CifarSet, paths: Sequence[Path], remedy: str) -> list[Split]:
    return [read_jpeg(path, which.rows, remedy) for path in paths]


#: What a local folder may hold, the best form first.
LAYOUTS = (
    _Layout(_binary_names, _read_binary),
    _Layout(lambda which: [which.archive.name], _read_archive),
    _Layout(lambda which: [f"cifar-10-batches-py/{b.name}" for b in _all(which)], _read_python),
    _Layout(
        lambda which: [f"cifar10_jpeg/{b.name}_jpeg.npz" for b in _all(which)],
        _read_jpeg,
        remark=", JPEG copy",
    ),
)


def _verified(path: Path, most: int, sha256: str, remedy: str) -> bytes:
    """The bytes of a file of at most ``most`` bytes, once their sha256 is known to be right."""
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}): {remedy}") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise _different(path, found, sha256, remedy)
    return content


def _different(path: Path, found: str | None, expected: str, remedy: str) -> DataError:
    return DataError(
        f"{path} does not hold what was published: sha256 {found}, expected {expected}: {remedy}"
    )
