"""The binary version of CIFAR-10, unpacked or still in its archive.

A record is one byte of label and 1,024 bytes each of red, green and blue, row by row.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from attncourse.datasets.errors import DataError
from attncourse.datasets.images import Split

#: Rows and columns of an image.
SIDE = 32
#: Bytes of one record.
RECORD = 1 + 3 * SIDE * SIDE

# What an archive may hold besides the batches: a readme, the class names, padding.
_SLACK = 1 << 20


def from_planes(planes: np.ndarray, labels: np.ndarray, name: str) -> Split:
    """Turn (n, 3072) colour planes into (n, 32, 32, 3) images."""
    return Split(planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels, name)


def parse_records(content: bytes, rows: int, name: str, remedy: str) -> Split:
    """Decode a batch of the binary version.

    Args:
        content: the file.
        rows: how many records it must hold.
        name: what messages call it.
        remedy: what messages advise.

    Returns:
        Images (rows, 32, 32, 3) and labels (rows,), uint8.

    Raises:
        DataError: if the length is not that of ``rows`` records.
    """
    if len(content) != rows * RECORD:
        raise DataError(
            f"{name} has {len(content)} bytes, not the {rows * RECORD} of {rows} records: {remedy}"
        )
    records = np.frombuffer(content, np.uint8).reshape(rows, RECORD)
    return from_planes(records[:, 1:], records[:, 0], name)


def read_archive(path: Path, members: Sequence[str], rows: int, remedy: str) -> list[Split]:
    """Read named batches out of a ``.tar.gz``; nothing is unpacked to the disk.

    A member counts only under its exact name, as a regular file, of the right size, once.
    Anything else in the archive is passed over, up to a megabyte of it.

    Args:
        path: the archive.
        members: full names of the batches, in the order wanted.
        rows: records in each.
        remedy: what messages advise.

    Raises:
        DataError: if the archive is damaged or too large, or a batch is missing or not as above.
    """
    size = rows * RECORD
    found: dict[str, Split] = {}
    try:
        with gzip.open(path) as packed:
            bounded = _Bounded(packed, len(members) * (size + 2 * tarfile.BLOCKSIZE) + _SLACK)
            # "r|": strictly forwards, so that the bound is on all that is ever unpacked.
            with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    if member.name not in members:
                        continue
                    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                        raise DataError(f"{path}: {member.name} is no regular file: {remedy}")
                    if member.size != size or member.name in found:
                        raise DataError(
                            f"{path}: {member.name} has {member.size} bytes, not {size}, or is "
                            f"there twice: {remedy}"
                        )
                    stream = archive.extractfile(member)
                    assert stream is not None  # it is a regular file
                    name = f"{path}: {member.name}"
                    found[member.name] = parse_records(stream.read(), rows, name, remedy)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): {remedy}") from error
    if missing := [name for name in members if name not in found]:
        raise DataError(f"{path} lacks {', '.join(missing)}: {remedy}")
    return [found[name] for name in members]


class _Readable(Protocol):
    def read(self, size: int) -> bytes: ...


class _Bounded:
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, stream: _Readable, limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise tarfile.ReadError("it unpacks to more than the data set")
        return block
