"""MNIST's file format, and the sets that come in it."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from attncourse.datasets.errors import DataError
from attncourse.datasets.images import ImageData, Split, assemble
from attncourse.datasets.registry import IdxFile, IdxSet
from attncourse.datasets.store import Store

_UINT8 = 0x08
_MOST_AXES = 4


def parse_idx(content: bytes, name: str) -> np.ndarray:
    """Decode an idx file of unsigned bytes.

    The format: two zero bytes, the type, the number of axes, each axis as a big-endian 32-bit
    number, and then the values, last axis fastest.

    Args:
        content: the unpacked file.
        name: what messages call it.

    Returns:
        A writable array, uint8, of the shape that the header gives.

    Raises:
        DataError: if the header is not that of such a file, or the length is not what it says.
    """
    fresh = "fetch a fresh copy"
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(
            f"{name} is no idx file: it begins with {content[:4].hex(' ') or 'nothing'} and not "
            f"with two zero bytes; {fresh}"
        )
    kind, axes = content[2], content[3]
    if kind != _UINT8:
        raise DataError(f"{name} holds values of type 0x{kind:02x}, not bytes (0x08); {fresh}")
    if not 1 <= axes <= _MOST_AXES:
        raise DataError(f"{name} claims {axes} axes, but has 1 to {_MOST_AXES}; {fresh}")
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{name} ends within its header, after {len(content)} bytes; {fresh}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if len(content) != start + prod(shape):
        raise DataError(
            f"{name} has {len(content)} bytes, but its header {shape} asks for "
            f"{start + prod(shape)}; {fresh}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def load_idx(which: IdxSet, store: Store) -> ImageData:
    """Read a set of four idx files, from the local folder or the cache or the net.

    Args:
        which: the set.
        store: where to look; each file may come from another place.

    Returns:
        Images (n, h, w), uint8, and labels (n,), int64.

    Raises:
        DataError: if a file cannot be had, or its content is not what was published.
    """
    return assemble(
        _split(which, which.train_images, which.train_labels, store),
        _split(which, which.test_images, which.test_labels, store),
        classes=which.classes,
        source=which.title,
    )


def _split(which: IdxSet, images: IdxFile, labels: IdxFile, store: Store) -> Split:
    x, y = _read(which, images, store, axes=3), _read(which, labels, store, axes=1)
    return Split(x, y, f"{images.name} and {labels.name}")


def _read(which: IdxSet, file: IdxFile, store: Store, *, axes: int) -> np.ndarray:
    packed = f"{which.folder}/{file.name}"
    places = [[packed.removesuffix(".gz")], [packed]]
    for place in places:
        if paths := store.local(place):
            path = paths[0]
            break
    else:
        path = store.fetch(file, folder=which.folder, mirrors=which.mirrors, instead=places[::-1])
    array = parse_idx(_content(path, file, store.remedy(path)), str(path))
    if array.ndim != axes:
        raise DataError(
            f"{path} has {array.ndim} axes, not {axes}: {store.remedy(path)}",
        )
    return array


def _content(path: Path, file: IdxFile, remedy: str) -> bytes:
    """The unpacked bytes of ``path``, once they are known to be the published ones.

    Raises:
        DataError: if the file cannot be read or unpacked, or holds something else.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            # One byte more than there should be: enough to see that a file is too long, and no
            # gzip bomb fills the memory.
            content = stream.read(file.content_size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): {remedy}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}): {remedy}") from error
    if (found := hashlib.sha256(content).hexdigest()) != file.content_sha256:
        length = len(content) if len(content) <= file.content_size else "more"
        raise DataError(
            f"{path} does not hold what was published: sha256 of the unpacked content {found} "
            f"({length} bytes), expected {file.content_sha256} ({file.content_size} bytes): "
            f"{remedy}"
        )
    return content
