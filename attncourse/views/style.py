"""The palette in which a colour is a word, and matplotlib's settings."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from cycler import cycler

from attncourse import threads

#: Meaning -> colour (Okabe and Ito's set, safe for colour-blind readers).
PALETTE: dict[str, str] = {
    "input": "#0072B2",
    "attention": "#E69F00",
    "result": "#009E73",
    "plain": "#7F7F7F",
    "mechanism": "#D55E00",
    "ablation": "#CC79A7",
    "ink": "#767676",  # reads on white and on near-black alike
}

#: Map for magnitudes, and map for signed values (centre it at zero).
MAGNITUDE, SIGNED = "magma", "RdBu_r"

#: Width of a figure in inches: the book's text column.
WIDTH = 7.2
#: Inches of a figure that a phone of 390 pixels shows whole, with its smallest text at 10 pixels.
PHONE = 4.4

_INK = PALETTE["ink"]
_SETTINGS: Any = {
    "figure.figsize": (WIDTH, 2.6),
    "figure.dpi": 144,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "savefig.transparent": True,
    "axes.facecolor": "none",
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(
        color=[PALETTE[k] for k in ("input", "attention", "result", "mechanism", "ablation")]
    ),
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "font.size": 10,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same on every machine
    "grid.color": _INK,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "lines.linewidth": 2.0,
    "image.cmap": MAGNITUDE,
    "image.interpolation": "nearest",
}


def use() -> None:
    """Make the course's style matplotlib's own for this session.

    Every chapter calls it first, so it also settles how many threads torch uses.
    """
    threads.settle()
    mpl.rcParams.update(_SETTINGS)
