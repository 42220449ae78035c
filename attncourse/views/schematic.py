"""Block diagrams drawn from one small set of shapes, so that all blocks look like relatives.

Every arrow carries the shape of its tensor.  The diagram is an inline SVG that takes its
colours from the page's theme, with a poster for places that allow no inline SVG.  It is drawn
twice: from left to right, and from the top down for phones, whose reader moves nothing sideways.
"""

from __future__ import annotations

import base64
import re

from attncourse.views.fragment import Fragment, checked_id, escape
from attncourse.views.placing import Across, Arrow, Down, Node, Placing, Spot
from attncourse.views.show import checked_alt

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
        self.columns, self.rows = columns, rows
        self.nodes: list[Node] = []
        self.arrows: list[Arrow] = []

    def box(
        self, text: str, column: float, row: float, kind: str = "step", *, shape: str = "",
        width: float = 0.8,
    ) -> Node:  # fmt: skip
        """A rounded box; ``shape`` is written below it."""
        return self._placed(Node(text, column, row, _known(kind), shape, width))

    def circle(self, text: str, column: float, row: float, kind: str = "apply") -> Node:
        """A small round operation such as a product or a sum."""
        return self._placed(Node(text, column, row, _known(kind)))

    def _placed(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def arrow(self, start: Node, end: Node, shape: str = "", *, via: str = "straight") -> None:
        """An arrow from edge to edge with the tensor's shape on it.

        Args:
            start: where it leaves.
            end: where it arrives.
            shape: the tensor's shape.
            via: ``straight``, or ``up``: first along the row of ``start`` for half a column,
                then along the row of ``end``.

        Raises:
            ValueError: if a straight arrow would miss its end.
        """
        arrow = Arrow(start, end, shape, via)
        if not arrow.along and arrow.column is None:
            raise ValueError(
                f"a straight arrow from {start.text!r} in column {start.column:g} misses "
                f"{end.text!r} in column {end.column:g}: give both one column or one row, make "
                f"one a long box over both, or pass via='up'"
            )
        self.arrows.append(arrow)

    def svg(self) -> str:
        """The drawing from left to right, alone."""
        return self._drawn(Across(self.columns, self.rows), "ac-across", f"{self.id}-head")

    def tall(self) -> str:
        """The drawing from the top down, alone."""
        return self._drawn(Down(self.nodes, self.arrows), "ac-tall", f"{self.id}-tall-head")

    def _drawn(self, placing: Placing, name: str, head: str) -> str:
        spots = {node: placing.spot(node) for node in self.nodes}
        parts = [_shape(node, spot, placing) for node, spot in spots.items()]
        for arrow in self.arrows:
            points, label = placing.way(arrow)
            path = "L".join(f"{x:g} {y:g}" for x, y in points)
            parts.append(
                f'<path d="M{path}" style="fill:none;stroke:var(--ac-soft);stroke-width:1.4" '
                f'marker-end="url(#{head})"/>'
            )
            if arrow.shape:
                parts.append(_label(arrow.shape, *label, placing.anchor(arrow)))
        width, height = placing.size
        least = f' style="max-width:{width:g}px"' if name == "ac-tall" else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" '
            f'viewBox="0 0 {width:g} {height:g}"{least} '
            f'role="img" aria-label="{escape(self.alt)}"><defs><marker id="{head}" '
            f'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0L8 4L0 8z" style="fill:var(--ac-soft)"/></marker></defs>'
            f"{''.join(parts)}</svg>"
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
        least = min(Across(self.columns, self.rows).size[0], 520)
        html = (
            f'<figure class="ac" id="{self.id}"><div class="ac-scroll" '
            f'style="--ac-min:{least:g}px">{self.svg()}{self.tall()}'
            f'<img class="ac-poster" alt="{escape(self.alt)}" src="{self.poster()}"></div></figure>'
        )
        return Fragment(html, f"Figure: {self.alt}")


def _known(kind: str) -> str:
    if kind not in _KINDS:
        raise ValueError(f"kind={kind!r} is unknown: choose one of {', '.join(_KINDS)}")
    return kind


def _shape(node: Node, spot: Spot, placing: Placing) -> str:
    """A box or a circle with its text, and below or inside it the shape of its tensor."""
    fill, stroke, ink = _KINDS[node.kind]
    look = f'style="fill:{fill};stroke:{stroke};stroke-width:1.6"'
    if node.round:
        return (
            f'<circle cx="{spot.x:g}" cy="{spot.y:g}" r="{spot.half_width:g}" {look}/>'
            f'<text x="{spot.x:g}" y="{spot.y + 5:g}" text-anchor="middle" '
            f'style="fill:{ink};font-size:16px">{escape(node.text)}</text>'
        )
    bold = ";font-weight:600" if node.kind in ("input", "attention", "result") else ""
    inside = node.shape and placing.shapes_inside
    line = spot.y - 2 if inside else spot.y + 4.5
    found = (
        f'<rect x="{spot.x - spot.half_width:g}" y="{spot.y - spot.half_height:g}" '
        f'width="{2 * spot.half_width:g}" height="{2 * spot.half_height:g}" rx="8" {look}/>'
        f'<text x="{spot.x:g}" y="{line:g}" text-anchor="middle" '
        f'style="fill:{ink}{bold}">{escape(node.text)}</text>'
    )
    if inside:
        return found + _label(node.shape, spot.x, spot.y + 12, "middle", f' style="fill:{ink}"')
    if node.shape:
        return found + _label(node.shape, spot.x, spot.y + spot.half_height + 15, "middle")
    return found


def _label(text: str, x: float, y: float, anchor: str, style: str = "") -> str:
    return (
        f'<text class="ac-shape" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}>'
        f"{escape(text)}</text>"
    )
