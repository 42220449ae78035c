"""``{ladder}`` and ``{wing-drawing}``: how the members of a wing differ, from recorded data."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from attnbook import plan as plans
from attnbook.plan import BOOK

#: Row of the ladder -> what the cue hides in.
ROWS = {"mean": "mean", "std": "spread", "dct": "wave", "cov": "pair", "code": "shape"}
#: The variants that are no mechanism -> their names here.
OTHERS = {"no gate": "no gate", "mixed SE": "1x1, ReLU, then SE"}
#: Attention's colour, which reads on light and dark pages.
_ORANGE = (230, 159, 0)
#: Below this share of the largest, a channel counts as not moving a gate.
_NOTHING = 0.005


def matrix_png(matrix: Sequence[Sequence[float]]) -> str:
    """A matrix of numbers from 0 to 1 as the address of a picture, orange by how much."""
    rows = b"".join(
        b"\0" + b"".join(bytes((*_ORANGE, round(255 * value**0.5))) for value in row)
        for row in matrix
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", len(matrix[0]), len(matrix), 8, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    png += chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def who(matrix: Sequence[Sequence[float]]) -> str:
    """In words, which channels move a gate."""
    reach = max(
        abs(i - j) for i, row in enumerate(matrix) for j, v in enumerate(row) if v > _NOTHING
    )
    if reach == 0:
        return "its own alone"
    if reach < len(matrix) // 2:
        return f"its own and {reach} on each side"
    return "all"


def cell(summary: dict[str, Any] | None, floor: float) -> str:
    """One score with its interval; the ground tells how far it is above ``floor``."""
    if summary is None:
        return "<td>–</td>"
    share = max(0.0, min(1.0, (summary["mean"] - floor) / (1 - floor)))
    low, high = (f"{100 * summary[end]:.0f}" for end in ("low", "high"))
    return (
        f'<td style="--ac-share:{share:.2f}"><b>{100 * summary["mean"]:.0f}</b>'
        f"<small>{low} to {high}</small></td>"
    )


def table_html(
    experiments: dict[str, Any],
    gates: Sequence[dict[str, Any]],
    name: Callable[[str], str],
) -> str:
    """A row for each variant, in the order of the records.

    Args:
        experiments: row of the ladder -> its record.
        gates: stems with their influences.
        name: stem -> HTML of its name.
    """
    matrices = {gate["stem"]: gate["influences"] for gate in gates}
    heads = "".join(f'<th scope="col">{escape(ROWS[row])}</th>' for row in experiments)
    body = ""
    variants = list(next(iter(experiments.values()))["summary"])
    for variant in variants:
        if variant in matrices:
            matrix = [[int(v) / 99 for v in row.split()] for row in matrices[variant]]
            moved = (
                f'<img alt="Gates as rows, channels as columns: a gate is moved by {who(matrix)}." '
                f'src="{matrix_png(matrix)}" width="48" height="48">'
                f"<small>{who(matrix)}</small>"
            )
        else:
            moved = ""
        cells = "".join(
            cell(e["summary"].get(variant), e["summary"]["no gate"]["mean"])
            for e in experiments.values()
        )
        shown = OTHERS.get(variant) or name(variant)
        body += f'<tr><th scope="row">{shown}</th><td class="ac-moved">{moved}</td>{cells}</tr>'
    return (
        '<div class="pst-scrollable-table-container"><table class="table ac-ladder">'
        '<thead><tr><th scope="col">gate</th><th scope="col">moved by</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def chapter_links(env: BuildEnvironment, plan: Path, category: str) -> Callable[[str], str]:
    """A function: stem of a chapter, after a colon which form of it -> HTML of its link."""
    found = next(c for c in plans.read(plan) if c.name == category)
    titles = {chapter.stem: chapter.short for chapter in found.chapters}

    def name(stem: str) -> str:
        stem, _, form = stem.partition(":")
        uri = env.app.builder.get_relative_uri(env.docname, f"{BOOK}/{category}/{stem}")
        return f'<a href="{escape(uri)}">{escape(f"{titles[stem]} {form}".strip())}</a>'

    return name


class Ladder(SphinxDirective):
    """The table of one wing, named by its category."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        env, category = self.env, self.arguments[0]
        root = Path(env.srcdir)
        results = root / BOOK / "results" / category / "index.json"
        data = root / self.config.attnbook_wings
        plan = root / self.config.attnbook_plan
        for file in (results, data, plan):
            env.note_dependency(str(file))
        name = chapter_links(env, plan, category)
        html = table_html(
            json.loads(results.read_text(encoding="utf-8"))["experiments"],
            json.loads(data.read_text(encoding="utf-8"))[category],
            name,
        )
        return [nodes.raw("", html, format="html")]


class WingDrawing(SphinxDirective):
    """A diagram of a wing, by category and name."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        data = Path(self.env.srcdir) / self.config.attnbook_wings
        self.env.note_dependency(str(data))
        category, name = self.arguments
        drawn = json.loads(data.read_text(encoding="utf-8"))[category]
        if name not in drawn:
            raise self.error(f"{data.name} has no drawing {name!r}; it has: {', '.join(drawn)}")
        return [nodes.raw("", drawn[name], format="html")]
