"""The codebook machine: pixels as points of a plane, codewords, shares, and sums of residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.explorer import _finite
from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import Goal, as_presets, machine, softmax
from attncourse.views.show import Picture, show
from attncourse.views.style import PALETTE

#: Values of the smoothing factor that the slider offers.
FACTORS = (-20.0, -8.0, -4.0, -2.0, -1.0, -0.5, -0.2, 0.0, 0.5, 2.0)


def codebook_machine(
    x: np.ndarray,
    grid: tuple[int, int],
    words: np.ndarray,
    *,
    id: str,
    alt: str,
    names: Sequence[str] = ("channel 1", "channel 2"),
    factors: Sequence[float] = FACTORS,
    factor: float = -2.0,
    start: int = 0,
    reach: float = 2.0,
    limits: tuple[float, float] = (-30.0, 30.0),
    presets: Mapping[str, np.ndarray] | None = None,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Drag codewords among the pixels of two channels, and see shares and residuals change.

    Args:
        x: (n, 2), the two channels at every pixel, row by row, within ``reach``.
        grid: rows and columns of the pixels.
        words: (k, 2), the codewords, in steps of 0.01.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        names: of the two channels.
        factors: settings of the slider for the smoothing factor, which all codewords share.
        factor: the first setting.
        start: the first pixel.
        reach: the plane goes from -reach to reach.
        limits: ends of the bars of the sums of residuals.
        presets: name of a button -> the pixels that it makes.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit, a value is not finite, or ``factor`` is no setting.
    """
    x, words = _finite(x, "x"), _finite(words, "words")
    rows, columns = grid
    if x.shape != (rows * columns, 2):
        raise ValueError(
            f"x has the shape {x.shape}, but {rows} x {columns} pixels of two channels need "
            f"({rows * columns}, 2)"
        )
    if words.ndim != 2 or words.shape[1] != 2 or len(names) != 2:
        raise ValueError(
            f"words has the shape {words.shape} and there are {len(names)} names: pass (k, 2) and "
            f"the names of two channels"
        )
    if factor not in factors:
        raise ValueError(f"factor={factor} must be one of factors={tuple(factors)}")
    spec: dict[str, Any] = {
        "grid": [rows, columns],
        "x": encode(x),
        "words": encode(words),
        "names": list(names),
        "factors": [float(v) for v in factors],
        "at": list(factors).index(factor),
        "start": start,
        "reach": reach,
        "limits": list(limits),
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "label": "Pixels as points. Drag a codeword, or move the chosen one with the arrow keys",
    }
    poster = _poster(x, words, codebook_numbers(x, words, factor), names, reach, alt)
    return machine("codebook", id, alt, spec, poster, goals)


def codebook_numbers(x: np.ndarray, words: np.ndarray, factor: float) -> dict[str, np.ndarray]:
    """What the page computes: all shares, each codeword's load, sums of residuals, the mean."""
    x, words = np.asarray(x, dtype=float), np.asarray(words, dtype=float)
    away = x[:, None] - words
    logits = factor * (away**2).sum(axis=2)
    a = softmax(logits, axis=1)
    return {
        "a": a,
        "load": a.mean(axis=0),
        "sums": (a[:, :, None] * away).sum(axis=0),
        "mean": x.mean(axis=0),
    }


def _poster(
    x: np.ndarray,
    words: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    names: Sequence[str],
    reach: float,
    alt: str,
) -> Picture:
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4))
    left.scatter(*x.T, s=12, color=PALETTE["input"])
    left.scatter(*words.T, s=160, color=PALETTE["attention"])
    for k, (across, up) in enumerate(words):
        left.text(across, up, f"{k + 1}", ha="center", va="center", color="#1d232a")
    left.set_xlim(-reach, reach), left.set_ylim(-reach, reach)
    left.set_aspect("equal")
    left.set_xlabel(names[0]), left.set_ylabel(names[1])
    places = [f"{k + 1}, {n + 1}" for k in range(len(words)) for n in range(2)]
    right.bar(places, numbers["sums"].ravel(), color=PALETTE["result"])
    right.set_xlabel("codeword, channel"), right.set_ylabel("sum of residuals")
    return show(figure, alt=alt, dpi=100)
