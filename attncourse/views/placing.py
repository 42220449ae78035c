"""Where the boxes and arrows of a block diagram stand, from left to right or from the top down.

A diagram is given on a grid of columns and rows, and runs along its columns.  ``Across`` lays
columns from left to right.  ``Down`` lays them from the top down and rows beside one another, as
narrow as texts allow, which fits a phone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Point = tuple[float, float]
#: From which width on a box is long.
_LONG = 1.8


@dataclass(frozen=True, eq=False)
class Node:
    """A box or a circle on the grid.

    Attributes:
        text: what is written in it.
        column: place along the way of the diagram.
        row: place across it.
        kind: which part it plays; names its colours.
        shape: of its tensor.
        width: of the box in columns; 0 for a circle.
    """

    text: str
    column: float
    row: float
    kind: str
    shape: str = ""
    width: float = 0.0

    @property
    def round(self) -> bool:
        """Whether it is a circle."""
        return self.width == 0

    @property
    def long(self) -> bool:
        """Whether it stands over several columns, so that arrows leave it where others are."""
        return self.width > _LONG

    def over(self, column: float) -> bool:
        """Whether a column lies within it."""
        return abs(column - self.column) <= (self.width / 2 if self.long else 0.0)


@dataclass(frozen=True, eq=False)
class Arrow:
    """From the edge of one node to that of another; see ``Schematic.arrow``."""

    start: Node
    end: Node
    shape: str
    via: str

    @property
    def along(self) -> bool:
        """Whether it arrives along the way of the diagram."""
        return self.via == "up" or self.start.row == self.end.row

    @property
    def column(self) -> float | None:
        """Where it crosses from one row to another; ``None`` if that is at no column of both."""
        if self.start.over(self.end.column):
            return self.end.column
        return self.start.column if self.end.over(self.start.column) else None


@dataclass(frozen=True)
class Spot:
    """A placed node: centre and half sizes in pixels."""

    x: float
    y: float
    half_width: float
    half_height: float


class Placing(Protocol):
    """Turns a diagram's grid into pixels."""

    #: Whether a tensor's shape is written inside its box, for want of room below.
    shapes_inside: bool
    #: Width and height of the drawing.
    size: Point

    def spot(self, node: Node) -> Spot:
        """The node's place and size."""
        ...

    def way(self, arrow: Arrow) -> tuple[list[Point], Point]:
        """The arrow's corners, and where its label stands."""
        ...

    def anchor(self, arrow: Arrow) -> str:
        """Which end of the label stands there."""
        ...


class Across:
    """Columns from left to right, rows from the top down."""

    column, row, bend = 100, 74, 20
    shapes_inside = False

    def __init__(self, columns: float, rows: float) -> None:
        self.size = columns * self.column, rows * self.row + 8

    def spot(self, node: Node) -> Spot:
        """The node's place and size."""
        half = (16.0, 16.0) if node.round else (node.width * self.column / 2, 22.0)
        return Spot((node.column + 0.5) * self.column, (node.row + 0.45) * self.row, *half)

    def way(self, arrow: Arrow) -> tuple[list[Point], Point]:
        """The arrow's corners, and where its label stands."""
        a, b = self.spot(arrow.start), self.spot(arrow.end)
        if arrow.column is not None and not arrow.along:
            sign, x = (1 if b.y > a.y else -1), (arrow.column + 0.5) * self.column
            leaves, arrives = a.y + sign * a.half_height, b.y - sign * b.half_height
            return [(x, leaves), (x, arrives)], (x + 22, (leaves + arrives) / 2 + 4)
        sign = 1 if b.x > a.x else -1
        leaves, arrives = a.x + sign * a.half_width, b.x - sign * b.half_width
        if arrow.via != "up":
            return [(leaves, a.y), (arrives, b.y)], ((leaves + arrives) / 2, a.y - 8)
        bend = leaves + self.bend
        corners = [(leaves, a.y), (bend, a.y), (bend, b.y), (arrives, b.y)]
        return corners, ((bend + arrives) / 2, b.y - 8)

    def anchor(self, arrow: Arrow) -> str:
        """Which end of the label stands there."""
        return "middle"


class Down:
    """Columns from the top down, rows from left to right, each as near to the last as it can be."""

    #: Pixels for a column's distance, and the largest that a distance is given.
    column, farthest = 58, 64
    #: Pixels of a box for each column of its width, and of a letter of a label.
    width, letter = 78, 6.6
    half_height, radius, narrow, bend, gap, margin = 19, 14, 24, 10, 12, 4
    shapes_inside = True

    def __init__(self, nodes: Sequence[Node], arrows: Sequence[Arrow]) -> None:
        self._nodes, self._arrows = nodes, arrows
        self._y = self._down()
        self._x = self._beside()
        left = min(spot.x - spot.half_width for spot in map(self.spot, nodes))
        self._x = {row: x + self.margin - left for row, x in self._x.items()}
        spots = [self.spot(node) for node in nodes]
        edges = [spot.x + spot.half_width for spot in spots]
        edges += [self.way(arrow)[1][0] + self._length(arrow) for arrow in arrows if arrow.shape]
        bottom = max(spot.y + spot.half_height for spot in spots)
        self.size = max(edges) + self.margin, bottom + self.margin

    def _down(self) -> dict[float, float]:
        """Each column as near to those before it as the nodes of one row allow, or nearer than
        the grid has it where it leaves much room.
        """
        columns = sorted({node.column for node in self._nodes})
        found: dict[float, float] = {columns[0]: self.half_height + self.margin}
        for before, column in itertools.pairwise(columns):
            apart = min((column - before) * self.column, self.farthest)
            after = [found[other] + self._below(other, column) for other in found]
            found[column] = max(found[before] + apart, *after)
        return found

    def _below(self, upper: float, lower: float) -> float:
        """The least distance of two columns."""
        there = [n for n in self._nodes if n.column == lower]
        return max(
            (
                self._half_height(a) + self._half_height(b) + self.gap
                for a in self._nodes
                for b in there
                if a.column == upper and a.row == b.row and not (a.long or b.long)
            ),
            default=0.0,
        )

    def _half_height(self, node: Node) -> float:
        return self.radius if node.round else self.half_height

    def _beside(self) -> dict[float, float]:
        """Each row as near to those before it as its nodes and labels allow."""
        found: dict[float, float] = {}
        for row in sorted({node.row for node in self._nodes}):
            found[row] = max(
                (found[other] + self._apart(other, row) for other in found), default=0.0
            )
        return found

    def _apart(self, left: float, right: float) -> float:
        """The least distance of two rows."""
        there = [n for n in self._nodes if n.row == right]
        needs: list[float] = [2 * self.radius + self.gap]
        for a in (n for n in self._nodes if n.row == left):
            needs += [
                self._half(a)[0] + self._half(b)[0] + self.gap
                for b in there
                if abs(self._y[a.column] - self._y[b.column]) < 2 * self.half_height
            ]
        for arrow in (a for a in self._arrows if a.shape):
            ends = {arrow.start.row, arrow.end.row}
            if ends == {left, right} and not arrow.along:  # lies between the two
                sides = self._half(arrow.start)[0] + self._half(arrow.end)[0]
                needs.append(sides + self._length(arrow) + 10)
            elif arrow.end.row == left:  # stands, with its label to the right of it
                low = self._y[arrow.end.column]
                high = self._y[arrow.start.column]
                needs += [
                    self._length(arrow) + self._half(b)[0] + self.gap
                    for b in there
                    if high - 8 < self._y[b.column] + self.half_height
                    and self._y[b.column] - self.half_height < low + 8
                ]
        return max(needs)

    def _length(self, arrow: Arrow) -> float:
        return 6 + self.letter * len(arrow.shape)

    def _half(self, node: Node) -> Point:
        if node.round:
            return self.radius, self.radius
        if node.long:
            top, bottom = self._beside_which(node)
            return self.narrow, (bottom - top) / 2 + self.half_height
        return max(node.width * self.width, 6 + self.letter * len(node.shape)) / 2, self.half_height

    def spot(self, node: Node) -> Spot:
        """The node's place and size."""
        y = sum(self._beside_which(node)) / 2 if node.long else self._y[node.column]
        return Spot(self._x[node.row], y, *self._half(node))

    def _beside_which(self, long: Node) -> Point:
        """A long box stands beside the nodes that it is over: the first one's y, the last one's."""
        found = [self._y[node.column] for node in self._nodes if long.over(node.column)]
        return min(found), max(found)

    def way(self, arrow: Arrow) -> tuple[list[Point], Point]:
        """The arrow's corners, and where its label stands."""
        a, b = self.spot(arrow.start), self.spot(arrow.end)
        if arrow.column is not None and not arrow.along:
            sign, y = (1 if b.x > a.x else -1), self._y[arrow.column]
            leaves, arrives = a.x + sign * a.half_width, b.x - sign * b.half_width
            return [(leaves, y), (arrives, y)], ((leaves + arrives) / 2, y - 6)
        sign = 1 if b.y > a.y else -1
        leaves, arrives = a.y + sign * a.half_height, b.y - sign * b.half_height
        if arrow.via != "up":
            return [(a.x, leaves), (a.x, arrives)], (a.x + 6, (leaves + arrives) / 2 + 4)
        bend = leaves + self.bend
        corners = [(a.x, leaves), (a.x, bend), (b.x, bend), (b.x, arrives)]
        return corners, (b.x + 6, (bend + arrives) / 2 + 4)

    def anchor(self, arrow: Arrow) -> str:
        """Which end of the label stands there."""
        return "start" if arrow.along else "middle"
