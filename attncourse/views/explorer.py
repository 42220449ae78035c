"""Explorers: figures that react to mouse, finger and arrow keys, without a kernel or a library.

Each is one call on arrays.  The output holds its own data and script, and a poster that stays
where scripts do not run.  Its numbers are the array's own, as float32.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.figures import heat
from attncourse.views.fragment import Fragment, _asset, checked_id, data_uri, encode, escape
from attncourse.views.show import Picture, checked_alt, show
from attncourse.views.style import MAGNITUDE, PALETTE, WIDTH


def explore_attention(
    maps: np.ndarray,
    grid: tuple[int, int],
    *,
    id: str,
    alt: str,
    image: np.ndarray | None = None,
    start: tuple[int, int] | None = None,
    names: Mapping[tuple[int, int], str] | None = None,
    place: str = "row {row}, column {column}",
    weight: str = "weight",
    relative: bool = False,
) -> Fragment:
    """Point at a position and see where it looks.

    All maps share one scale, from 0 to their largest value; the reader may switch to the map's own.

    Args:
        maps: (n, n) weights, row i what position i attends to; n = rows * columns; the page holds
            them as float16.
        grid: rows and columns of positions.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        image: (h, w) or (h, w, 3), shown under the query ring, values 0 to 1 or uint8.
        start: row and column of the first query.
        names: row and column, from 0 -> what the chapter calls the position.  A last word of one
            or two characters, as in ``white A``, stands on the position as well.
        place: what the others are called, with ``{row}``, ``{column}`` or ``{n}``, from 1.
        weight: what the maps hold, such as ``sensitivity``.
        relative: begin with each map on its own scale, where few maps have the largest values.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or a named position is not in
            the grid.
    """
    maps = _finite(maps, "maps")
    rows, columns = grid
    if maps.shape != (rows * columns,) * 2:
        raise ValueError(
            f"maps has the shape {maps.shape}, but a grid of {rows} x {columns} positions needs "
            f"{(rows * columns,) * 2}: pass one row of weights for each query position"
        )
    start = start or (rows // 2, columns // 2)
    query = start[0] * columns + start[1]
    named = _names(names or {}, grid)
    figure, axes = plt.subplots(figsize=(4.2, 3.4 * rows / columns))
    top = float((maps[query] if relative else maps).max()) or 1.0
    heat(axes, maps[query].reshape(grid), unit=weight, limit=top)
    for color, width in (("white", 6), ("#1d232a", 4.5), (PALETTE["attention"], 2.5)):
        axes.plot(start[1], start[0], "o", mfc="none", mec=color, mew=width, ms=12, clip_on=False)
    axes.set_xticks([])
    axes.set_yticks([])
    spec = {
        "kind": "attention",
        "grid": [rows, columns],
        "start": list(start),
        "maps": encode(maps.astype(np.float16)),  # half the weight; three digits are shown
        "map": _colours(MAGNITUDE),
        "names": named,
        "place": place,
        "weight": weight,
        "relative": relative,
        "label": "Choose a query position with the arrow keys, the mouse or a finger.",
        "image": None if image is None else data_uri(_png(image)),
    }
    return _explorer(id, alt, spec, show(figure, alt=alt, dpi=144))


def explore_gates(
    gates: np.ndarray,
    *,
    id: str,
    alt: str,
    rows: Sequence[str],
    columns: Sequence[str],
    images: np.ndarray | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    start: tuple[int, int] = (0, 0),
) -> Fragment:
    """Point at an image (row) and a channel (column) and read its gate.

    Args:
        gates: (n, c), one row an image.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        rows: a description of each image.
        columns: a name for each channel.
        images: (n, h, w) grey thumbnails, uint8.
        limits: values at the ends of the colour scale.
        start: row and column of the first reading.

    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    """
    gates = _finite(gates, "gates")
    if gates.shape != (len(rows), len(columns)):
        raise ValueError(
            f"gates has the shape {gates.shape}, but there are {len(rows)} row descriptions and "
            f"{len(columns)} column names: pass one of each for every row and column"
        )
    if images is not None and (images.dtype != np.uint8 or len(images) != len(rows)):
        raise ValueError(
            f"images has the shape {images.shape} and type {images.dtype}: "
            f"pass {len(rows)} uint8 thumbnails (n, h, w)"
        )
    figure, axes = plt.subplots(figsize=(WIDTH * 0.62, 2.9))
    heat(axes, gates, unit="gate", limit=limits[1])
    axes.set_xlabel("channel")
    axes.set_ylabel("image")
    spec = {
        "kind": "gates",
        "grid": list(gates.shape),
        "start": list(start),
        "gates": encode(gates),
        "low": limits[0],
        "high": limits[1],
        "map": _colours(MAGNITUDE),
        "rows": list(rows),
        "columns": list(columns),
        "axes": ["image", "channel"],
        "unit": "gate",
        "bars": "all gates of this image",
        "label": "Choose an image (up, down) and a channel (left, right) with the arrow keys, "
        "the mouse or a finger.",
    }
    if images is not None:
        spec |= {"images": encode(images), "image_shape": list(images.shape[1:])}
    return _explorer(id, alt, spec, show(figure, alt=alt, dpi=144))


def explore_curves(
    curves: np.ndarray,
    *,
    id: str,
    alt: str,
    sliders: Mapping[str, Sequence[Any]],
    series: Mapping[str, str],
    x: tuple[str, Sequence[float]],
    y: tuple[str, tuple[float, float]],
    start: Sequence[int],
    poster: Picture,
) -> Fragment:
    """Curves for every setting of some sliders, computed beforehand.

    Args:
        curves: (settings of slider 1, ..., series, points).
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        sliders: name -> its settings.
        series: name -> colour word (``mech``, ``plain``, ``abl``, ``x``, ``g``, ``y``).
        x: label and values of the horizontal axis.
        y: label and limits of the vertical axis.
        start: index of each slider's first setting.
        poster: what is shown where scripts do not run.

    Raises:
        ValueError: if the shapes do not fit or a value is not finite.
    """
    curves = _finite(curves, "curves")
    wanted = (*(len(v) for v in sliders.values()), len(series), len(x[1]))
    if curves.shape != wanted:
        raise ValueError(
            f"curves has the shape {curves.shape}, but sliders, series and x make {wanted}"
        )
    low, high = y[1]
    spec = {
        "kind": "curves",
        "start": list(start),
        "curves": encode(curves),
        "sliders": {name: list(values) for name, values in sliders.items()},
        "series": dict(series),
        "x": {
            "label": x[0],
            "values": [round(float(v), 9) for v in x[1]],
            "ticks": _ticks(x[1][0], x[1][-1]),
        },
        "y": {"label": y[0], "limits": [low, high], "ticks": _ticks(low, high)},
    }
    return _explorer(id, alt, spec, poster)


def _explorer(identifier: str, alt: str, spec: dict[str, Any], poster: Picture) -> Fragment:
    script = _asset(f"explorers/{spec['kind']}.js")
    return live_figure(identifier, alt, spec, poster, script, called="Explorer")


def live_figure(
    identifier: str,
    alt: str,
    spec: dict[str, Any],
    poster: Picture,
    script: str,
    *,
    called: str,
    mark: str = "",
) -> Fragment:
    """A figure that holds its poster, its data, and the script that plays it.

    Args:
        identifier: unique in its page.
        alt: what there is to see, in a sentence.
        spec: the data, as the script reads them.
        poster: what stays where scripts do not run.
        script: the kind of figure, a function of the tools in ``explorers/core.js``.
        called: what it is, where only text shows.
        mark: an attribute of the figure, with a space in front.
    """
    identifier, alt = checked_id(identifier), checked_alt(alt)
    data = json.dumps(spec, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    html = (
        f'<figure class="ac" id="{identifier}" role="group"{mark} aria-label="{escape(alt)}">'
        f'<img class="ac-poster" alt="{escape(alt)}" src="{data_uri(poster.png)}">'
        f'<script type="application/json">{data}</script>'
        f'<script>({_asset("explorers/core.js")})("{identifier}",{script})</script></figure>'
    )
    return Fragment(html, f"{called}: {alt}")


def _names(names: Mapping[tuple[int, int], str], grid: tuple[int, int]) -> dict[int, str]:
    """Number of a position, row by row -> its name."""
    rows, columns = grid
    found = {}
    for (row, column), name in names.items():
        if not (0 <= row < rows and 0 <= column < columns):
            raise ValueError(
                f"names has the position {(row, column)} for {name!r}, but the grid has {rows} "
                f"rows and {columns} columns, counted from 0"
            )
        found[row * columns + column] = name
    return found


def _finite(array: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(array, dtype=np.float32)
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise ValueError(
            f"{name} holds {bad} value(s) that are NaN or infinite: explore finite ones"
        )
    return values


def _colours(name: str) -> str:
    table = mpl.colormaps[name](np.linspace(0, 1, 256))[:, :3]
    return encode((table * 255).round().astype(np.uint8))


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        pixels = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _ticks(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(float(low), float(high))
    slack = 1e-9 * (high - low)
    return [round(float(t), 6) for t in ticks if low - slack <= t <= high + slack]
