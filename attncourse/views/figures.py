"""The few kinds of figure that every chapter draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncourse.views.fragment import unsigned_zero
from attncourse.views.style import MAGNITUDE, PALETTE, PHONE, SIGNED


def seed_dots(
    values: Mapping[str, Sequence[float]],
    roles: Mapping[str, str],
    intervals: Mapping[str, tuple[float, float]],
    *,
    label: str = "test accuracy",
    references: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
    notes: Mapping[str, str] | None = None,
    percent: bool = True,
) -> Figure:
    """Every seed a dot, every interval a bar, one row a variant.

    Args:
        values: variant -> one number for each seed.
        roles: variant -> plain, mechanism or ablation, which fixes the colour.
        intervals: variant -> ends of its 95 % interval, for those that have one.
        label: what the numbers are.
        references: text -> position of a dashed line.
        limits: ends of the axis.
        notes: variant -> text in place of its interval.
        percent: whether the numbers are shares, shown in per cent.
    """
    figure, axes = plt.subplots(figsize=(PHONE, 0.55 * len(values) + 1.0))
    for row, (name, numbers) in enumerate(values.items()):
        colour = PALETTE[roles[name]]
        axes.plot(numbers, [row - 0.1] * len(numbers), "o", ms=6, color=colour, alpha=0.85)
        if name in intervals:
            axes.plot(intervals[name], [row + 0.22] * 2, lw=4, color=colour, solid_capstyle="butt")
    for text, position in (references or {}).items():
        axes.axvline(position, ls=(0, (2, 3)), lw=1, color=PALETTE["ink"])
        axes.annotate(
            text, (position, -0.75), xytext=(4, 0), textcoords="offset points", fontsize=9
        )
    axes.set_yticks(range(len(values)), list(values))
    for tick, name in zip(axes.get_yticklabels(), values, strict=True):
        tick.set_fontweight("bold" if roles[name] == "mechanism" else "normal")
    axes.set_ylim(len(values) - 0.4, -0.9)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if percent:
        axes.xaxis.set_major_formatter(
            lambda value, _: unsigned_zero(f"{round(100 * value, 9):.4g} %")
        )
    axes.grid(axis="x")
    if limits:
        axes.set_xlim(limits)
    axes.set_xlabel(label)
    middle = sum(axes.get_xlim()) / 2
    for row, (name, numbers) in enumerate(values.items()):
        if notes and name in notes:  # towards the middle, where there is room
            right = min(numbers) + max(numbers) > 2 * middle
            end, side = (max(numbers), "right") if right else (min(numbers), "left")
            axes.annotate(notes[name], (end, row + 0.26), ha=side, va="center", fontsize=9)
    return figure


def heat(
    axes: Axes,
    matrix: np.ndarray,
    *,
    unit: str,
    signed: bool = False,
    limit: float | None = None,
    bar: bool = True,
) -> None:
    """Draw ``matrix`` (rows, columns) as a map with a colour bar that says the unit.

    Args:
        axes: where.
        matrix: the values.
        unit: text at the colour bar.
        signed: use the diverging map, centred at zero.
        limit: largest magnitude of the colour scale; by default the largest there is.
        bar: draw the colour bar; leave it out only beside a map that shares it.
    """
    top = float(np.abs(matrix).max()) if limit is None else limit
    image = axes.imshow(
        matrix,
        cmap=SIGNED if signed else MAGNITUDE,
        vmin=-top if signed else 0,
        vmax=top,
        aspect="auto",
    )
    axes.spines[:].set_visible(False)
    if bar:
        scale = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
        scale.set_label(unit)
        scale.outline.set_visible(False)


def label_line(axes: Axes, x: float, y: float, text: str, colour: str, **place: object) -> None:
    """Write ``text`` beside a line, in the line's colour, in place of a legend."""
    options: dict = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"} | place
    axes.annotate(text, (x, y), color=colour, **options)
