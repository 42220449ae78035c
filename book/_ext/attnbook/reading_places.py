"""``{reading-places}``: from where every member of a wing reads, on one image, for two queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from attnbook.wings import chapter_links, matrix_png

#: From which share of the largest value on a position counts as read.
_READ = 0.01


def numbers(rows: Sequence[str]) -> list[list[float]]:
    """A stored map, from 0 to 1."""
    return [[int(value) / 99 for value in row.split()] for row in rows]


def places_read(matrix: Sequence[Sequence[float]]) -> int:
    """How many positions are read at all."""
    return sum(value >= _READ for row in matrix for value in row)


def share_on(matrix: Sequence[Sequence[float]], things: Sequence[dict[str, Any]]) -> float:
    """How much of what is read lies on these things, from 0 to 1."""
    on = sum(
        value
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
        if any(max(abs(i - t["row"]), abs(j - t["column"])) <= t["radius"] for t in things)
    )
    return on / sum(map(sum, matrix))


def in_words(
    matrix: Sequence[Sequence[float]], query: Sequence[int], things: Sequence[dict[str, Any]]
) -> str:
    """What a map shows, for those who do not see it."""
    row, column = query
    own = [t for t in things if (t["row"], t["column"]) == (row, column)]
    alike = [t for t in things if t["colour"] == own[0]["colour"] and t not in own]
    others = [t for t in things if t["colour"] != own[0]["colour"]]
    shares = [round(100 * share_on(matrix, group)) for group in (own, alike, others)]
    return (
        f"{places_read(matrix)} positions are read. Of it, {shares[0]} percent lie on the "
        f"query's own thing, {shares[1]} on others of its colour, {shares[2]} on things of other "
        f"colours, {max(0, 100 - sum(shares))} on the ground"
    )


def _square(thing: dict[str, Any], look: str = "") -> str:
    side, reach = 2 * thing["radius"] + 1, thing["radius"]
    return (
        f'<rect x="{thing["column"] - reach}" y="{thing["row"] - reach}" width="{side}" '
        f'height="{side}"{look}/>'
    )


def image_svg(data: dict[str, Any]) -> str:
    """The image that all of them read, with the numbers of the queries."""
    side = data["side"]
    squares = "".join(_square(t, f' class="ac-{t["colour"]}"') for t in data["things"])
    queries = "".join(
        f'<text x="{column + 0.5}" y="{row + 1}">{number}</text>'
        for number, (row, column) in enumerate(data["queries"], 1)
    )
    told = " and ".join(
        f"query {number} on a {thing['colour']} one"
        for number, (row, column) in enumerate(data["queries"], 1)
        for thing in data["things"]
        if (thing["row"], thing["column"]) == (row, column)
    )
    return (
        f'<svg viewBox="0 0 {side} {side}" role="img" aria-label="The image: {side} by {side} '
        f'positions with {len(data["things"])} squares on grey, {told}.">{squares}{queries}</svg>'
    )


def map_svg(data: dict[str, Any], rows: Sequence[str], number: int, *, ring: bool) -> str:
    """One map over the outlines of the things; a ring marks the query where there is one."""
    side, matrix = data["side"], numbers(rows)
    row, column = data["queries"][number]
    squares = "".join(map(_square, data["things"]))
    circle = f'<circle cx="{column + 0.5}" cy="{row + 0.5}" r="1"/>' if ring else ""
    words = in_words(matrix, (row, column), data["things"])
    return (
        f'<svg viewBox="0 0 {side} {side}" role="img" aria-label="{escape(words)}.">'
        f'<image href="{matrix_png(matrix)}" width="{side}" height="{side}"/>'
        f"{squares}{circle}</svg>"
    )


def grid_html(data: dict[str, Any], name: Callable[[str], str]) -> str:
    """The image, and a pair of maps for each member.

    Args:
        data: what ``python -m attncourse wings`` says of the wing.
        name: stem -> HTML of its name.
    """
    cells = (
        '<div><p>the image<br><small>and the queries</small></p><div class="ac-two">'
        f"<figure>{image_svg(data)}</figure></div></div>"
    )
    for member in data["members"]:
        ring, word = (False, "step") if member["of_steps"] else (True, "query")
        pair = "".join(
            f"<figure>{map_svg(data, rows, number, ring=ring)}<figcaption>{word} {number + 1}: "
            f"{places_read(numbers(rows))}</figcaption></figure>"
            for number, rows in enumerate(member["maps"])
        )
        form = f"<br><small>{escape(member['form'])}</small>" if member["form"] else ""
        cells += f'<div><p>{name(member["stem"])}{form}</p><div class="ac-two">{pair}</div></div>'
    return f'<div class="ac-places">{cells}</div>'


class ReadingPlaces(SphinxDirective):
    """The figure of one wing, named by its category."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        env, category = self.env, self.arguments[0]
        root = Path(env.srcdir)
        data, plan = root / self.config.attnbook_wings, root / self.config.attnbook_plan
        for file in (data, plan):
            env.note_dependency(str(file))
        name = chapter_links(env, plan, category)
        html = grid_html(json.loads(data.read_text(encoding="utf-8"))[category], name)
        return [nodes.raw("", html, format="html")]
