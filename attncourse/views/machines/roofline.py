"""The roofline machine: products, bytes and the two times of several blocks, at any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.closed_forms import evaluate, javascript
from attncourse.views.fragment import Fragment
from attncourse.views.machines.bench import Goal, machine
from attncourse.views.show import Picture, show
from attncourse.views.style import PALETTE

#: What the sliders may be set to.
CHANNELS = (32, 64, 128, 256, 512, 1024)
SIDES = (7, 14, 28, 56, 112)
BATCHES = (1, 4, 16, 64)
RATES = (10, 20, 50, 100, 200, 500, 1000, 5000, 20000)
BANDWIDTHS = (10, 20, 40, 100, 300, 1000, 3000)
#: What is counted: name, times the products of a forward pass, times its bytes.
PASSES = (("forward", 1, 1), ("training step", 3, 2))
_BYTES = 4
_LETTERS = ("C", "H", "W")


@dataclass(frozen=True)
class CostForm:
    """A block as closed forms: Python expressions in C, H and W, for one image.

    Attributes:
        name: what the block is called.
        macs: multiply-adds of a forward pass.
        parameters: numbers that are learned.
        map: numbers in its weights, g(x).
    """

    name: str
    macs: str
    parameters: str = "0"
    map: str = "0"


def roofline_machine(
    forms: Sequence[CostForm],
    machines: Mapping[str, tuple[int, int]],
    *,
    id: str,
    alt: str,
    start: tuple[int, int, int] = (64, 56, 4),
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Set sizes and speeds, and see what each block costs at least, and why.

    Args:
        forms: the blocks; the first is what the others are compared with.
        machines: name of a button -> G multiply-adds and G bytes in a second; the machine starts
            with the first.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        start: channels, side and images at first.
        goals: what there is to reach.

    Raises:
        ValueError: if a setting is not one of the slider's, or there is no block or machine.
    """
    if not forms or not machines:
        raise ValueError("pass at least one CostForm and one machine")
    rate, bandwidth = next(iter(machines.values()))
    at = dict(
        zip(
            ("channels", "side", "batch", "rate", "bandwidth"),
            _places((*start, rate, bandwidth)),
            strict=True,
        )
    )  # fmt: skip
    spec: dict[str, Any] = {
        "forms": [
            {"name": f.name, **{key: javascript(getattr(f, key)) for key in _KEYS}} for f in forms
        ],
        "written": [{key: getattr(f, key) for key in _KEYS} for f in forms],
        "machines": [
            [name, RATES.index(_known(r, RATES)), BANDWIDTHS.index(_known(b, BANDWIDTHS))]
            for name, (r, b) in machines.items()
        ],
        "channels": list(CHANNELS), "sides": list(SIDES), "batches": list(BATCHES),
        "rates": list(RATES), "bandwidths": list(BANDWIDTHS),
        "passes": [list(row) for row in PASSES],
        "start": {**at, "pass": 0, "block": 0},
    }  # fmt: skip
    numbers = roofline_numbers(forms, *start, rate, bandwidth)
    poster = _poster([f.name for f in forms], numbers, rate, bandwidth, alt)
    return machine("roofline", id, alt, spec, poster, goals)


_KEYS = ("macs", "parameters", "map")


def _known(value: int, settings: Sequence[int]) -> int:
    if value not in settings:
        raise ValueError(f"{value} is no setting of the slider: choose one of {tuple(settings)}")
    return value


def _places(values: Sequence[int]) -> list[int]:
    ranges = (CHANNELS, SIDES, BATCHES, RATES, BANDWIDTHS)
    return [
        list(settings).index(_known(value, settings))
        for value, settings in zip(values, ranges, strict=True)
    ]


def roofline_numbers(
    forms: Sequence[CostForm],
    channels: int,
    side: int,
    images: int,
    rate: float,
    bandwidth: float,
    which: int = 0,
) -> dict[str, np.ndarray]:
    """What the page computes for each block: work, both times in milliseconds, what binds.

    Args:
        forms: the blocks.
        channels: C.
        side: rows and columns.
        images: in the batch.
        rate: G multiply-adds in a second.
        bandwidth: G bytes in a second.
        which: of :data:`PASSES`.
    """
    sizes = dict(zip(_LETTERS, (channels, side, side), strict=True))
    _, factor, times = PASSES[which]

    def per(key: str) -> np.ndarray:
        return np.array([evaluate(getattr(f, key), sizes) for f in forms], dtype=float)

    products = factor * images * per("macs")
    moved = _BYTES * times * (2 * images * channels * side * side + per("parameters"))
    arithmetic, memory = products / rate / 1e6, moved / bandwidth / 1e6
    least = np.maximum(arithmetic, memory)
    return {
        "products": products, "bytes": moved, "map": _BYTES * images * per("map"),
        "arithmetic": arithmetic, "memory": memory, "least": least,
        "intensity": products / moved, "ratio": least / least[0], "share": arithmetic / memory,
        "bound": (arithmetic > memory).astype(float), "balance": np.array(rate / bandwidth),
    }  # fmt: skip


def _poster(
    names: Sequence[str],
    numbers: Mapping[str, np.ndarray],
    rate: float,
    bandwidth: float,
    alt: str,
) -> Picture:
    figure, axes = plt.subplots(figsize=(7.2, 3.2))
    across = np.logspace(-2, 4, 50)
    axes.loglog(across, np.minimum(rate, bandwidth * across), color=PALETTE["input"])
    reached = numbers["products"] / numbers["least"] / 1e6
    axes.loglog(numbers["intensity"], reached, "o", color=PALETTE["attention"])
    for name, x, y in zip(names, numbers["intensity"], reached, strict=True):
        axes.annotate(name, (x, y), (3, -11), textcoords="offset points", fontsize=8)
    axes.set_xlabel("multiply-adds for a byte")
    axes.set_ylabel("G in a second")
    return show(figure, alt=alt, dpi=100)
