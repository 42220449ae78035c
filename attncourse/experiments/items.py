"""Test items in a results file: a few hundred bytes a run.

Zeros and ones are kept as bits.  Other numbers are rounded to 32 levels between the least and the
largest.  Rounding carries its remainder on to the next item, so that the mean of n items moves by
at most half a level over n, and the recorded score corrects even that when they are read.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import numpy as np
import torch

from attncourse.experiments.scores import Score
from attncourse.tasks import Task

#: Steps between the least and the largest value of items that are not 0 and 1.
LEVELS = 31


def packed(items: np.ndarray) -> dict[str, Any]:
    """Items (n,) as text and numbers that JSON can hold.

    Raises:
        ValueError: if an item is not a finite number.
    """
    values = np.asarray(items, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("an item is not a finite number: look for NaN in the scores")
    if np.isin(values, (0, 1)).all():
        return {"bits": _text(np.packbits(values.astype(bool)).tobytes())}
    low, step = float(values.min()), float(np.ptp(values)) / LEVELS or 1.0
    # Halves go up: to even, an item of the last level could get a step too many, which is cut.
    carried = np.floor(np.cumsum((values - low) / step) + 0.5)
    levels = np.diff(carried, prepend=0).clip(0, LEVELS).astype(np.uint8)
    return {"levels": _text(levels.tobytes()), "low": low, "step": step}


def unpacked(stored: dict[str, Any], count: int, score: float) -> np.ndarray:
    """The items (count,) in float64; rounded ones are shifted until their mean is ``score``.

    Raises:
        ValueError: if the text does not hold so many items.
    """
    coded = "bits" if "bits" in stored else "levels"
    raw = np.frombuffer(zlib.decompress(base64.b64decode(stored[coded])), dtype=np.uint8)
    values = np.unpackbits(raw)[:count] if coded == "bits" else raw
    if len(values) != count:
        raise ValueError(f"a run holds {len(values)} items of {count}: record it again")
    if coded == "bits":
        return values.astype(np.float64)
    found = stored["low"] + stored["step"] * values.astype(np.float64)
    return found + (score - found.mean())


def test_set_of(score: Score, task: Task) -> dict[str, Any]:
    """What the items of all runs of an experiment have in common: the test set.

    Returns:
        ``id``, a short hash of the targets, the mean of the inputs and the units; and, where
        items repeat, ``units``, their name, and ``unit_of``, the unit of each item, packed.
    """
    x, y = task.test_set()
    units = score.units(task)
    found: dict[str, Any] = {}
    if units is not None:
        numbers = units.of.numpy().astype("<u2")
        found = {"units": units.name, "unit_of": _text(numbers.tobytes())}
    # Floats are hashed by their mean: two machines may differ in the last digit of an image.
    hashed = hashlib.sha256(repr((repr(task), tuple(x.shape), found)).encode())
    for tensor in (x, y):
        if tensor.is_floating_point():
            hashed.update(f"{tensor.to(torch.float64).mean():.4f}".encode())
        else:
            hashed.update(tensor.numpy().tobytes())
    return {"id": hashed.hexdigest()[:8], **found}


def units_in(test_set: dict[str, Any], count: int) -> np.ndarray:
    """The unit of each item, (count,), from 0; each its own where nothing repeats."""
    if "unit_of" not in test_set:
        return np.arange(count)
    raw = zlib.decompress(base64.b64decode(test_set["unit_of"]))
    return np.frombuffer(raw, dtype="<u2").astype(np.int64)


def _text(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")
