"""Block diagrams drawn from one small set of shapes, so that all blocks look like relatives.

Every arrow carries the shape of its tensor.  The diagram is an inline SVG that takes its
colours from the page's theme, with a poster for places that allow no inline SVG.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from attncourse.views.fragment import Fragment, checked_id, escape
from attncourse.views.show import checked_alt

_COLUMN, _ROW = 100, 74
_KINDS = {
    "input": ("var(--ac-x)", "var(--ac-x)", "#fff"),
    "attention": ("var(--ac-g)", "var(--ac-g)", "#1d232a"),
    "result": ("var(--ac-y)", "var(--ac-y)", "#fff"),
    "decide": ("var(--ac-panel)", "var(--ac-g)", "var(--ac-ink)"),
    "apply": ("var(--ac-panel)", "var(--ac-y)", "var(--ac-ink)"),
    "step": ("var(--ac-panel)", "var(--ac-soft)", "var(--ac-ink)"),
}
#: The same colours for the poster, which cannot see the page's theme.
_POSTER = {
    "--ac-x": "#0072b2", "--ac-g": "#e69f00", "--ac-y": "#009e73",
    "--ac-panel": "none", "--ac-soft": "#767676", "--ac-ink": "#767676",
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A placed shape: centre and half sizes in pixels."""

    x: float
    y: float
    half_width: float
    half_height: float


class Schematic:
    """A block diagram on a grid of columns and rows.

    Args:
        id: fixed identifier of the drawing.
        alt: what the diagram says, in a sentence.
        columns: width of the grid.
        rows: height of the grid.

    Examples:
        >>> s = Schematic(id="gate", alt="A gate s multiplies x to give y.", columns=3, rows=1)
        >>> x, times = s.box("x", 0, 0, "input", shape="c h w"), s.circle("×", 1, 0)
        >>> s.arrow(x, times)
    """

    def __init__(self, *, id: str, alt: str, columns: float, rows: float) -> None:
        self.id, self.alt = checked_id(id), checked_alt(alt)
        self.width, self.height = columns * _COLUMN, rows * _ROW + 8
        self._parts: list[str] = []

    def box(
        self, text: str, column: float, row: float, kind: str = "step", *, shape: str = "",
        width: float = 0.8,
    ) -> Node:  # fmt: skip
        """A rounded box; ``shape`` is written below it."""
        if kind not in _KINDS:
            raise ValueError(f"kind={kind!r} is unknown: choose one of {', '.join(_KINDS)}")
        fill, stroke, ink = _KINDS[kind]
        node = Node((column + 0.5) * _COLUMN, (row + 0.45) * _ROW, width * _COLUMN / 2, 22)
        bold = ";font-weight:600" if kind in ("input", "attention", "result") else ""
        self._parts.append(
            f'<rect x="{node.x - node.half_width:g}" y="{node.y - node.half_height:g}" '
            f'width="{2 * node.half_width:g}" height="{2 * node.half_height:g}" rx="8" '
            f'style="fill:{fill};stroke:{stroke};stroke-width:1.6"/>'
            f'<text x="{node.x:g}" y="{node.y + 4.5:g}" text-anchor="middle" '
            f'style="fill:{ink}{bold}">{escape(text)}</text>'
        )
        if shape:
            self._label(shape, node.x, node.y + node.half_height + 15)
        return node

    def circle(self, text: str, column: float, row: float, kind: str = "apply") -> Node:
        """A small round operation such as a product or a sum."""
        fill, stroke, ink = _KINDS[kind]
        node = Node((column + 0.5) * _COLUMN, (row + 0.45) * _ROW, 16, 16)
        self._parts.append(
            f'<circle cx="{node.x:g}" cy="{node.y:g}" r="16" '
            f'style="fill:{fill};stroke:{stroke};stroke-width:1.6"/>'
            f'<text x="{node.x:g}" y="{node.y + 5:g}" text-anchor="middle" '
            f'style="fill:{ink};font-size:16px">{escape(text)}</text>'
        )
        return node

    def arrow(self, start: Node, end: Node, shape: str = "", *, via: str = "straight") -> None:
        """An arrow from edge to edge with the tensor's shape on it.

        Args:
            start: where it leaves.
            end: where it arrives.
            shape: the tensor's shape.
            via: ``straight``, or ``up``: first along the row of ``start`` for half a column,
                then along the row of ``end``.
        """
        if via == "up":
            bend = start.x + start.half_width + 20
            leaves, arrives = start.x + start.half_width, end.x - end.half_width
            path = f"M{leaves:g} {start.y:g}H{bend:g}V{end.y:g}H{arrives:g}"
            at = ((bend + arrives) / 2, end.y - 8)
        elif start.y == end.y:
            sign = 1 if end.x > start.x else -1
            a, b = start.x + sign * start.half_width, end.x - sign * end.half_width
            path, at = f"M{a:g} {start.y:g}H{b:g}", ((a + b) / 2, start.y - 8)
        else:
            sign = 1 if end.y > start.y else -1
            a, b = start.y + sign * start.half_height, end.y - sign * end.half_height
            path, at = f"M{start.x:g} {a:g}V{b:g}", (start.x + 22, (a + b) / 2 + 4)
        self._parts.append(
            f'<path d="{path}" style="fill:none;stroke:var(--ac-soft);stroke-width:1.4" '
            f'marker-end="url(#{self.id}-head)"/>'
        )
        if shape:
            self._label(shape, *at)

    def _label(self, text: str, x: float, y: float) -> None:
        self._parts.append(
            f'<text class="ac-shape" x="{x:g}" y="{y:g}" text-anchor="middle">{escape(text)}</text>'
        )

    def svg(self) -> str:
        """The drawing alone."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'role="img" aria-label="{escape(self.alt)}"><defs><marker id="{self.id}-head" '
            f'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" style="fill:var(--ac-soft)"/></marker></defs>'
            f"{''.join(self._parts)}</svg>"
        )

    def poster(self) -> str:
        """The drawing as an image address, in colours that read on light and dark."""
        svg = re.sub(r"var\((--ac-[a-z]+)\)", lambda m: _POSTER[m[1]], self.svg())
        style = (
            "<style>text{font:13px sans-serif;fill:#767676}"
            ".ac-shape{font:11.5px monospace}</style><defs>"
        )
        return "data:image/svg+xml;base64," + base64.b64encode(
            svg.replace("<defs>", style, 1).encode()
        ).decode("ascii")

    def show(self) -> Fragment:
        """The diagram as a notebook output."""
        html = (
            f'<figure class="ac" id="{self.id}"><div class="ac-scroll" '
            f'style="--ac-min:{min(self.width, 520):g}px">{self.svg()}'
            f'<img class="ac-poster" alt="{escape(self.alt)}" src="{self.poster()}"></div></figure>'
        )
        return Fragment(html, f"Figure: {self.alt}")
