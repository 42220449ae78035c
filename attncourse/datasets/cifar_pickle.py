"""CIFAR-10's Python batches, read without running anything that is in them.

A pickle is a programme.  Two locks keep this one harmless: the caller has compared the sha256
of the file with the published one, and the reader below knows no functions but stand-ins that
note what NumPy would have been told.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from attncourse.datasets.cifar_records import SIDE, from_planes
from attncourse.datasets.errors import DataError
from attncourse.datasets.images import Split


class _Array:
    """Stands in for an array: keeps its state, so that the bytes can be taken out of it."""

    state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state


class _DType:
    """Stands in for a data type: keeps its code."""

    def __init__(self, code: bytes = b"", *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and the like mean nothing for single bytes."""


def _reconstruct(*_: object) -> _Array:
    return _Array()


# NumPy's module changed its name; the files were written long before that.
_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def read_pickle(content: bytes, rows: int, name: str, remedy: str) -> Split:
    """Decode a Python batch whose sha256 has been checked.

    Args:
        content: the file.
        rows: how many images it must hold.
        name: what messages call it.
        remedy: what messages advise.

    Returns:
        Images (rows, 32, 32, 3), uint8, and labels (rows,), int64.

    Raises:
        DataError: if it asks for anything but an array, or does not hold images and labels.
    """
    try:
        batch = _Reader(io.BytesIO(content), encoding="bytes").load()
        _, shape, dtype, fortran, values = batch[b"data"].state
        labels = np.array(batch[b"labels"], np.int64)
        if dtype.code != b"u1" or shape != (rows, 3 * SIDE * SIDE):
            raise ValueError(f"images of type {dtype.code!r} and shape {shape}")
        planes = np.frombuffer(values, np.uint8).reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # whatever a file that is no such batch makes the reader stumble on
        raise DataError(
            f"{name} is not a batch of {rows} images ({type(error).__name__}: {error}): {remedy}"
        ) from error
    return from_planes(planes, labels, name)
