"""``{chapter-timings}`` and ``{pinned-versions}``: tables made from what was recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from attnbook import plan as plans
from attnbook.stamps import device, duration, stamp_of

_PIN = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*==\s*([^\s;#]+)")


def pins(constraints: str) -> dict[str, str]:
    """Name (normalised as package indexes do) -> version, from the text of a constraints file."""
    found: dict[str, str] = {}
    for line in constraints.splitlines():
        if match := _PIN.match(line):
            found.setdefault(normal(match.group(1)), match.group(2))
    return found


def normal(name: str) -> str:
    """``Sphinx_Design`` -> ``sphinx-design``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def row(stamp: dict[str, Any] | None) -> tuple[str, str, str]:
    """Time, device and versions of one notebook; words where nothing is recorded."""
    if not stamp or "seconds" not in stamp:
        return "not recorded", "", ""
    versions = stamp.get("versions", {})
    shown = [
        f"{name} {versions[name]}" for name in ("python", "torch", "numpy") if name in versions
    ]
    return duration(float(stamp["seconds"])), device(stamp), ", ".join(shown)


def table(heads: Sequence[str], rows: Iterable[Sequence[nodes.Node]]) -> nodes.table:
    """A plain table; each cell is one inline node."""
    group = nodes.tgroup(cols=len(heads))
    group.extend(nodes.colspec(colwidth=1) for _ in heads)
    group += nodes.thead("", _row([nodes.Text(head) for head in heads]))
    group += nodes.tbody("", *(_row(cells) for cells in rows))
    return nodes.table("", group, classes=["colwidths-auto"])


def _row(cells: Sequence[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


class ChapterTimings(SphinxDirective):
    """One row for each notebook of the book."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for chapter, notebook, uri in plans.written(self):
            link = nodes.reference("", chapter.title, refuri=uri, internal=True)
            rows.append([link, *(nodes.Text(cell) for cell in row(stamp_of(notebook)))])
        if not rows:
            return [nodes.paragraph(text="No chapter is published yet.")]
        return [table(("chapter", "ran in", "device", "with"), rows)]


class PinnedVersions(SphinxDirective):
    """The versions that the constraints file pins for the packages named as arguments."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / self.config.attnbook_constraints
        self.env.note_dependency(str(path))
        pinned = pins(path.read_text(encoding="utf-8"))
        names = " ".join(self.content).split()
        unknown = [name for name in names if normal(name) not in pinned]
        if unknown:
            raise self.error(f"{path.name} pins no version of {', '.join(unknown)}")
        rows = [[nodes.literal(text=n), nodes.Text(pinned[normal(n)])] for n in names]
        return [table(("package", "version"), rows)]
