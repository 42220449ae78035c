"""A figure laid out anew for a phone: the same axes in fewer columns, and no text smaller.

A row of axes is cut into blocks that stand one below the other, as few as it takes until no text
leaves the figure or lies on another.  What cannot be laid out so keeps its width, and the page
lets it move sideways.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from attncourse.views.style import PHONE

#: Inches of a row that text takes, which is as high on a phone.
_TEXT = 0.35
#: Inches between two texts on one line, below which they read as one.
_GAP = 0.02
#: Share of the smaller of two texts that may lie on the other: boxes are higher than most words.
_TOUCHING = 0.05
#: Narrowest axes, and the highest figure, in inches.
_SLIM, _HIGH = 0.3, 12


def narrow(figure: Figure) -> bool:
    """Lay ``figure`` out for a phone.

    Returns:
        Whether that succeeded.  If not, the figure is left as the last attempt had it.
    """
    if figure.get_figwidth() <= PHONE + 0.05:
        return False
    before = len(collisions(figure))
    axes = [a for a in figure.axes if not hasattr(a, "_colorbar")]
    grid = _common_grid(axes)
    if grid is None or figure.lines or figure.patches or figure.artists:
        return False  # arrows from one axes to another know only where these stood
    layout = _Layout(figure, axes, grid)
    for across, wrap in product(layout.choices(), (False, True)):
        if not layout.in_blocks(across):
            return False
        layout.names_below(wrap=wrap)
        if fits(figure, at_most=before):
            return True
    return False


def fits(figure: Figure, at_most: int = 0) -> bool:
    """Whether all text lies inside, axes stand apart, and only so many pairs of texts touch."""
    if len(collisions(figure)) > at_most:
        return False
    width, height = figure.get_size_inches() * figure.dpi
    # Measured anew: after a change of size, constrained layout settles in the second drawing.
    for _, box in _texts(figure):
        if min(box.x0, box.y0, width - box.x1, height - box.y1) < -2:
            return False
    axes = [a for a in figure.axes if a.get_visible() and a.axison]
    boxes = [a.get_window_extent() for a in axes]
    apart = all(_share(one, other) < _TOUCHING for one, other in combinations(boxes, 2))
    slim = _SLIM * figure.dpi
    return apart and all(
        hasattr(a, "_colorbar") or box.width > slim for a, box in zip(axes, boxes, strict=True)
    )


def collisions(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts of which one lies on the other."""
    gap = _GAP / 2 * figure.dpi
    boxes = [(text.get_text(), box.padded(gap, 0)) for text, box in _texts(figure)]
    return [
        (one, other)
        for (one, box), (other, its) in combinations(boxes, 2)
        if _share(box, its) > _TOUCHING
    ]


def _share(one: Bbox, other: Bbox) -> float:
    """How much of the smaller box lies on the other one, from 0 to 1."""
    both = Bbox.intersection(one, other)
    smaller = min(one.width * one.height, other.width * other.height)
    return both.width * both.height / smaller if both is not None and smaller else 0.0


def _texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """All texts that are drawn, with their places."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # ticks and constrained layout know their places only then
    renderer = canvas.get_renderer()
    texts: list[Text] = [*figure.texts]
    for legend in figure.legends:
        texts += legend.get_texts()
    for axes in figure.axes:
        if axes.get_visible():
            texts += _texts_of(axes)
    found = []
    for text in texts:
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(renderer)
            if np.isfinite(box.extents).all() and box.width and box.height:
                found.append((text, box))
    return found


def _texts_of(axes: Any) -> Iterator[Text]:
    yield from axes.texts
    yield from (axes.title, axes._left_title, axes._right_title)
    legend = axes.get_legend()
    if legend is not None:
        yield from legend.get_texts()
    if not axes.axison:
        return
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_visible():
            yield axis.label
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if low <= tick.get_loc() <= high:
                    yield from (t for t in (tick.label1, tick.label2) if t.get_visible())


def _common_grid(axes: list[Axes]) -> GridSpec | None:
    """The one grid that all axes stand in."""
    specs = [a.get_subplotspec() for a in axes]
    grids = {id(s.get_gridspec()): s.get_gridspec() for s in specs if s is not None}
    if None in specs or len(grids) != 1:
        return None
    (grid,) = grids.values()
    return grid if isinstance(grid, GridSpec) else None


class _Layout:
    """How the axes stood, so that several layouts can be tried."""

    def __init__(self, figure: Figure, axes: list[Axes], grid: GridSpec) -> None:
        self.figure, self.axes = figure, axes
        self.size = figure.get_figwidth(), figure.get_figheight()
        self.rows, self.columns = grid.get_geometry()
        widths: Any = grid.get_width_ratios()
        heights: Any = grid.get_height_ratios()
        self.ratios = list(widths), list(heights)
        self.places = [(s.rowspan, s.colspan) for a in axes if (s := a.get_subplotspec())]
        self.names = [[t.get_text() for t in a.get_xticklabels()] for a in axes]
        served: list[list[Axes]] = [
            a._colorbar_info["parents"] for a in figure.axes if hasattr(a, "_colorbar_info")
        ]
        row_of = {id(a): rows.start for a, (rows, _) in zip(axes, self.places, strict=True)}
        self.whole = all(len(parents) in (1, len(axes)) for parents in served)
        #: Whether a bar serves one row, whose parts must then stay together.
        self.by_rows = not self.whole and all(
            len(parents) == self.columns and len({row_of.get(id(p)) for p in parents}) == 1
            for parents in served
        )

    def choices(self) -> list[int]:
        """How many columns may be tried, the most first."""
        single = all(len(columns) == 1 and len(rows) == 1 for rows, columns in self.places)
        if not single or not (self.whole or self.by_rows):
            return [self.columns]
        blocks = range(1, self.columns + 1)
        return list(dict.fromkeys(math.ceil(self.columns / n) for n in blocks))

    def in_blocks(self, across: int) -> bool:
        """Put the axes into blocks of ``across`` columns, unless that would be too high."""
        wide, high = self.size
        blocks = math.ceil(self.columns / across)
        shrunk = (PHONE / across) / (wide / self.columns)
        # Pictures keep their shape; lines need their height.
        pictures = all(a.get_aspect() == 1 or not a.axison for a in self.axes)
        factor = shrunk if pictures else min(1.0, max(shrunk, 0.9))
        row = max(high / self.rows - _TEXT, 0.3) * factor + _TEXT
        if row * self.rows * blocks > _HIGH:
            return False
        widths, heights = self.ratios
        down = [h for h in heights for _ in range(blocks)] if self.by_rows else heights * blocks
        grid = GridSpec(
            self.rows * blocks, across, figure=self.figure, height_ratios=down,
            width_ratios=widths if blocks == 1 else None,
        )  # fmt: skip
        self.figure.set_size_inches(PHONE, row * self.rows * blocks)
        first: dict[int, Axes] = {}
        for a, (rows, columns) in zip(self.axes, self.places, strict=True):
            block, column = divmod(columns.start, across)
            start = rows.start * blocks + block if self.by_rows else rows.start + block * self.rows
            a.set_subplotspec(grid[start : start + len(rows), column : column + len(columns)])
            if not columns.start:
                first[rows.start] = a
            elif not column and rows.start in first:
                _say_again(first[rows.start], a)
        return True

    def names_below(self, *, wrap: bool) -> None:
        """Break what stands below an axis into lines, or put it on one again."""
        for a, names in zip(self.axes, self.names, strict=True):
            if any(" " in name for name in names):
                told = [name.replace(" ", "\n") if wrap else name for name in names]
                a.set_xticks(a.get_xticks(), told)


def _say_again(first: Axes, axes: Axes) -> None:
    """Repeat at the first axes of a block what the first of its row says for all of it."""
    axes.yaxis.set_tick_params(labelleft=True)
    if not axes.get_ylabel():
        axes.set_ylabel(first.get_ylabel(), fontproperties=first.yaxis.label.get_fontproperties())
    names = [label.get_text() for label in first.get_yticklabels()]
    silent = not any(label.get_text() for label in axes.get_yticklabels())
    if silent and any(names) and first.get_ylim() == axes.get_ylim():
        axes.set_yticks(first.get_yticks(), names)
