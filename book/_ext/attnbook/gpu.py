"""``{gpu-chapters}`` and ``{gpu-experiments}``: what ``make gpu`` recorded.

A section of the page is there when its record is.  Also the time on a GPU in the facts line of a
chapter, as long as its notebook is the one timed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from attnbook import plan as plans
from attnbook.stamps import stamp_of
from attnbook.timings import row, table

#: Where ``make gpu`` writes, relative to the root of the sources.
RECORD = "book/_data/gpu"


#: Heading of a section -> the record that it shows.
SECTIONS = {
    "Cost": "benchmarks.json",
    "Chapters": "chapters.json",
    "Experiments at full budget": "results",
}


def with_records(text: str, root: Path) -> str:
    """The page's source without the sections whose record is not there."""
    for heading, record in SECTIONS.items():
        if not (root / RECORD / record).exists():
            text = re.sub(rf"^## {heading}\n.*?(?=^## |\Z)", "", text, flags=re.M | re.S)
    return text


def on_source(app: Sphinx, docname: str, source: list[str]) -> None:
    """Publish no section that says nothing was measured."""
    if docname == "book/gpu":
        source[0] = with_records(source[0], Path(app.srcdir))


def chapter_times(root: Path) -> dict[str, dict[str, Any]]:
    """Chapter -> stamp of its execution on a GPU."""
    path = root / RECORD / "chapters.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def time_of(
    times: dict[str, dict[str, Any]], chapter: str, stamp: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The GPU's stamp of a chapter, if it is of the notebook that has ``stamp`` now."""
    found = times.get(chapter)
    same = found and stamp and found["source_sha256"] == stamp.get("source_sha256")
    return found if same else None


def summaries(root: Path) -> list[tuple[str, str, str, str, str]]:
    """Chapter, experiment, variant, mean with its interval, steps and device, for each summary."""
    folder, found = root / RECORD / "results", []
    for path in sorted(folder.rglob("*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        for name, entry in stored["experiments"].items():
            devices = ", ".join(sorted({run["device"] for run in entry["runs"]}))
            spent = f"{entry['budget']['steps']:,} steps on {devices}"
            for variant, s in entry.get("summary", {}).items():
                value = f"{s['mean']:.3f} [{s['low']:.3f}, {s['high']:.3f}], {s['seeds']} seeds"
                if 0 < s.get("learned", 0) < s["seeds"]:  # two clusters, which have no interval
                    value = f"{s['learned']} of {s['seeds']} seeds learned"
                found.append((stored["chapter"], name, variant, value, spent))
    return found


class GpuChapters(SphinxDirective):
    """One row for each notebook that was timed on a GPU and has not changed since."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / RECORD / "chapters.json"))
        times, rows = chapter_times(root), []
        for chapter, notebook, uri in plans.written(self):
            if found := time_of(times, chapter.path, stamp_of(notebook)):
                link = nodes.reference("", chapter.title, refuri=uri, internal=True)
                rows.append([link, *(nodes.Text(cell) for cell in row(found))])
        if not rows:
            return [nodes.paragraph(text="No chapter was executed on a GPU so far.")]
        return [table(("chapter", "ran in", "device", "with"), rows)]


class GpuExperiments(SphinxDirective):
    """One row for each variant of each experiment that was recorded on a GPU."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for path in (root / RECORD / "results").rglob("*.json"):
            self.env.note_dependency(str(path))
        found = summaries(root)
        if not found:
            return [nodes.paragraph(text="No experiment was recorded on a GPU so far.")]
        heads = ("chapter", "experiment", "network", "mean and 95 % interval", "budget")
        return [table(heads, ([nodes.Text(cell) for cell in cells] for cells in found))]
