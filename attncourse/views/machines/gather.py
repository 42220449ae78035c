"""The gather machine: one map, means over windows, a gate for each cell, the gated map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import Goal, as_presets, grey_image, machine, sigmoid
from attncourse.views.show import Picture, show
from attncourse.views.style import MAGNITUDE


@dataclass(frozen=True)
class Judge:
    """What a gate makes of a mean: ``sigmoid(factor * z + shift)``.

    Attributes:
        name: as the reader chooses it.
        factor: positive opens for bright cells, negative for dark ones.
        shift: added before the sigmoid.
    """

    name: str
    factor: float = 1.0
    shift: float = 0.0


def gather_machine(
    x: np.ndarray,
    extents: Sequence[int],
    judges: Sequence[Judge],
    *,
    id: str,
    alt: str,
    start: int = 0,
    presets: Mapping[str, np.ndarray] | None = None,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint one channel and see which of its cells are let through.

    Args:
        x: (h, w), 0 to 1.
        extents: sides of a cell that the reader chooses from; 0 is the whole map.
        judges: what the gates make of the means; where there are several the reader chooses.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        start: place in ``extents`` of the first one.
        presets: name of a button -> the map that it makes.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit, an extent is negative or a value is not finite.
    """
    x = grey_image(x)
    if not extents or min(extents) < 0 or not 0 <= start < len(extents) or not judges:
        raise ValueError(
            f"extents={tuple(extents)}, start={start} and {len(judges)} judges: pass sides of at "
            f"least 0, a place among them, and a judge"
        )
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "extents": [int(e) for e in extents],
        "start": start,
        "judges": [
            {"name": j.name, "factor": float(j.factor), "shift": float(j.shift)} for j in judges
        ],
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "own": own_picture,
    }
    numbers = gather_numbers(x, extents[start], judges[0])
    return machine("gather", id, alt, spec, _poster(x, numbers, alt), goals)


def gather_numbers(x: np.ndarray, extent: int, judge: Judge) -> dict[str, np.ndarray]:
    """What the page computes: means and gates of the cells, and the gated map."""
    x = np.asarray(x, dtype=float)
    h, w = x.shape
    e = extent or max(h, w) + 1
    rows, columns = (-(-h // extent), -(-w // extent)) if extent else (1, 1)
    z = np.array(
        [
            [
                x[max(0, e * p - e + 1) : e * p + e, max(0, e * q - e + 1) : e * q + e].mean()
                for q in range(columns)
            ]
            for p in range(rows)
        ]
    )
    gates = sigmoid(judge.factor * z + judge.shift)
    up = gates[np.arange(h)[:, None] * rows // h, np.arange(w) * columns // w]
    return {"z": z, "gates": gates, "y": up * x}


def _poster(x: np.ndarray, numbers: Mapping[str, Any], alt: str) -> Picture:
    figure, axes = plt.subplots(1, 4, figsize=(7.2, 2.2))
    pictures = [("x", x, "gray"), ("means z", numbers["z"], "gray"),
                ("gates s", numbers["gates"], MAGNITUDE), ("y", numbers["y"], "gray")]  # fmt: skip
    for ax, (title, picture, colours) in zip(axes, pictures, strict=True):
        ax.imshow(picture, cmap=colours, vmin=0, vmax=1)
        ax.set_title(title)
        ax.axis("off")
    return show(figure, alt=alt, dpi=100)
