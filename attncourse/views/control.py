"""A control that recomputes where there is a kernel, and still answers where there is none.

With a kernel it is a set of ipywidgets sliders: moving one calls the function again.  The same
output holds an explorer over settings computed beforehand, which the published page shows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from attncourse.views.explorer import explore_curves
from attncourse.views.figures import label_line
from attncourse.views.fragment import Fragment, unsigned_zero
from attncourse.views.show import Picture, show
from attncourse.views.style import PALETTE, WIDTH

#: Colour word of a series -> (variable of the page's style, name in the palette).
_WORDS = {
    "input": "x",
    "attention": "g",
    "result": "y",
    "plain": "plain",
    "mechanism": "mech",
    "ablation": "abl",
}
_WIDGET = "application/vnd.jupyter.widget-view+json"

Curves = Mapping[str, Sequence[float]]


class Control:
    """What :func:`control` returns: live sliders and their static alternative in one output."""

    def __init__(self, widget: Any, static: Fragment) -> None:
        self.widget, self.static = widget, static

    def __repr__(self) -> str:
        return repr(self.static)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.static._repr_mimebundle_())
        return bundle | _live_bundle(self.widget)


def _live_bundle(widget: Any) -> dict[str, Any]:
    """What a front end needs to show ``widget`` and to talk to it; nothing without a kernel."""
    if not hasattr(widget, "_repr_mimebundle_"):  # ipywidgets 7, as on Colab
        return {_WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
    live = widget._repr_mimebundle_() or {}
    return {_WIDGET: live[_WIDGET]} if _WIDGET in live else {}


def control(
    compute: Callable[..., Curves],
    *,
    id: str,
    alt: str,
    sliders: Mapping[str, Sequence[Any]],
    series: Mapping[str, str],
    x: tuple[str, Sequence[float]],
    y: tuple[str, tuple[float, float]],
    start: Mapping[str, Any] | None = None,
) -> Control:
    """Sliders over the arguments of ``compute``, which returns one curve for each series.

    Args:
        compute: called with one keyword for each slider; returns series -> values at ``x``.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        sliders: argument -> its settings.
        series: name -> meaning of its colour, a key of ``PALETTE``.
        x: label and values of the horizontal axis.
        y: label and limits of the vertical axis.
        start: argument -> first setting; the first of each by default.

    Raises:
        ValueError: if a slider is empty, a start is not among the settings, or ``compute``
            returns other series or another number of points.
    """
    for name, settings in sliders.items():
        if not len(settings):
            raise ValueError(f"slider {name!r} has no settings: give at least one")
    chosen = {name: (start or {}).get(name, settings[0]) for name, settings in sliders.items()}
    for name, value in chosen.items():
        if value not in sliders[name]:
            raise ValueError(f"start {name}={value!r} is not among {list(sliders[name])}")

    def checked(**settings: Any) -> np.ndarray:
        curves = compute(**settings)
        if set(curves) != set(series):
            raise ValueError(f"compute returned {sorted(curves)}, not the series {sorted(series)}")
        rows = np.array([np.asarray(curves[name], dtype=float) for name in series])
        if rows.shape[1] != len(x[1]):
            raise ValueError(f"compute returned {rows.shape[1]} points for {len(x[1])} values of x")
        return rows

    every = [
        checked(**dict(zip(sliders, s, strict=True))) for s in itertools.product(*sliders.values())
    ]
    table = np.array(every).reshape(*(len(v) for v in sliders.values()), len(series), len(x[1]))
    first = [list(sliders[name]).index(value) for name, value in chosen.items()]
    static = explore_curves(
        table,
        id=id,
        alt=alt,
        sliders=sliders,
        series={name: _WORDS[meaning] for name, meaning in series.items()},
        x=x,
        y=y,
        start=first,
        poster=_picture(table[tuple(first)], series, x, y, alt),
    )
    return Control(_live(checked, sliders, chosen, series, x, y, alt), static)


def _figure(
    rows: np.ndarray,
    series: Mapping[str, str],
    x: tuple[str, Sequence[float]],
    y: tuple[str, tuple[float, float]],
) -> Figure:
    figure, axes = plt.subplots(figsize=(WIDTH, 2.6))
    for row, (name, meaning) in zip(rows, series.items(), strict=True):
        axes.plot(x[1], row, color=PALETTE[meaning])
        label_line(axes, x[1][-1], row[-1], name, PALETTE[meaning])
    axes.set_xlabel(x[0])
    axes.set_ylabel(y[0])
    axes.set_ylim(y[1])
    axes.grid(axis="y")
    return figure


def _picture(rows: np.ndarray, series: Any, x: Any, y: Any, alt: str) -> Picture:
    return show(_figure(rows, series, x, y), alt=alt, dpi=144)


def _live(
    compute: Callable[..., np.ndarray],
    sliders: Mapping[str, Sequence[Any]],
    chosen: Mapping[str, Any],
    series: Mapping[str, str],
    x: tuple[str, Sequence[float]],
    y: tuple[str, tuple[float, float]],
    alt: str,
) -> Any:
    """The ipywidgets form; uses nothing that came after ipywidgets 7."""
    import ipywidgets

    image = ipywidgets.Image(format="png")
    status = ipywidgets.Label()
    inputs = {
        name: ipywidgets.SelectionSlider(
            options=[(str(value), value) for value in settings],
            value=chosen[name],
            description=name,
            continuous_update=False,
            style={"description_width": "initial"},
        )
        for name, settings in sliders.items()
    }

    def redraw(_change: object = None) -> None:
        status.value = "computing ..."
        settings = {name: widget.value for name, widget in inputs.items()}
        rows = compute(**settings)
        image.value = _picture(rows, series, x, y, alt).png
        last = [unsigned_zero(f"{row[-1]:.3f}") for row in rows]
        ends = ", ".join(f"{name} {value}" for name, value in zip(series, last, strict=True))
        status.value = f"at {x[0]} {x[1][-1]:g}: {ends}"

    for widget in inputs.values():
        widget.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([ipywidgets.HBox(list(inputs.values())), image, status])
