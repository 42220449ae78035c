"""The lines machine: one map, means of rows and columns, a gate for each line, their product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import Goal, as_presets, grey_image, machine, sigmoid
from attncourse.views.machines.gather import Judge
from attncourse.views.show import Picture, show
from attncourse.views.style import MAGNITUDE

#: Which of the two gates are there.
USED = ("rows and columns", "rows alone", "columns alone")


def lines_machine(
    x: np.ndarray,
    judges: Sequence[Judge],
    *,
    id: str,
    alt: str,
    presets: Mapping[str, np.ndarray] | None = None,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint one channel and see the gates of its rows and columns, and where they cross.

    Args:
        x: (h, w), 0 to 1.
        judges: what the gates make of the means; where there are several the reader chooses.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        presets: name of a button -> the map that it makes.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if the map has another shape, a value is not finite, or there is no judge.
    """
    x = grey_image(x)
    if not judges:
        raise ValueError("judges=() leaves nothing to make gates with: pass one Judge at least")
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "judges": [
            {"name": j.name, "factor": float(j.factor), "shift": float(j.shift)} for j in judges
        ],
        "used": list(USED),
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "own": own_picture,
    }
    return machine("lines", id, alt, spec, _poster(x, lines_numbers(x, judges[0]), alt), goals)


def lines_numbers(x: np.ndarray, judge: Judge, used: int = 0) -> dict[str, np.ndarray]:
    """What the page computes: means and gates of the lines, the gate of every cell, the result."""
    x = np.asarray(x, dtype=float)
    rows, columns = x.mean(axis=1), x.mean(axis=0)
    p, q = (sigmoid(judge.factor * z + judge.shift) for z in (rows, columns))
    gate = (p if used != 2 else np.ones_like(p))[:, None] * (q if used != 1 else np.ones_like(q))
    return {"rows": rows, "columns": columns, "p": p, "q": q, "gate": gate, "y": gate * x}


def _poster(x: np.ndarray, numbers: Mapping[str, Any], alt: str) -> Picture:
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
    pictures = [("x", x, "gray"), ("gates p q", numbers["gate"], MAGNITUDE),
                ("y", numbers["y"], "gray")]  # fmt: skip
    for ax, (title, picture, colours) in zip(axes, pictures, strict=True):
        ax.imshow(picture, cmap=colours, vmin=0, vmax=1)
        ax.set_title(title)
        ax.axis("off")
    return show(figure, alt=alt, dpi=100)
