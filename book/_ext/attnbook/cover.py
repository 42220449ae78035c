"""``{cover}``: f(g(x), x) on a photograph, computed in the page, and the button that begins.

The script runs on the bench of the course's live machines, which is read as text: the book builds
without the package.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from attnbook import plan as plans
from attnbook import reading
from attnbook.plan import Chapter

DATA = "book/_data/cover.json"
ALT = (
    "A photograph of a cat's face, and what four kinds of attention make of it: a weight for each "
    "channel, for each position, for each frame, for each branch."
)
TEXT = (
    "A photograph, weighed in four ways. What: its red, green, blue and edges are multiplied by a "
    "gate each. Where: an eye asks which places look alike, and both "
    "eyes get the largest weights. When: the frames of a moving camera are weighed by their "
    "likeness to one of them, and the frame without light gets none. Which: a sharpened and a "
    "blurred copy are mixed, and noise moves the weight to the blurred one."
)


@cache
def asset(path: Path) -> str:
    """A script or style of the course without indentation and comments."""
    return re.sub(r"(?:(?<=\s)|^)//.*|(?<=\n)\s+", "", path.read_text(encoding="utf-8")).strip()


def figure_html(root: Path) -> str:
    """The figure: the photograph, what it shows without scripts, and the script."""
    views, own = root / "attncourse" / "views", Path(__file__).parent / "static" / "cover.js"
    data = json.loads((root / DATA).read_text(encoding="utf-8"))
    core, bench = (asset(views / name) for name in ("explorers/core.js", "machines/bench.js"))
    style = asset(views / "fragment.css") + asset(views / "machines" / "machine.css")
    return (
        f"<style>{style}</style>"
        f'<figure class="ac ac-cover" id="cover" role="group" aria-label="{escape(ALT)}">'
        f'<img class="ac-poster" width="240" height="160" alt="{escape(ALT)}" '
        f'src="data:image/png;base64,{data["photo"]}">'
        f'<p class="ac-poster ac-soft">{escape(TEXT)} It moves where scripts run.</p>'
        f'<script type="application/json">{{"map":"{data["map"]}"}}</script>'
        f'<script>({core})("cover",({bench})({asset(own)}))</script>'
        f"<figcaption>Photograph: <em>{escape(data['source'].split(',')[0])}</em>,"
        f"{escape(data['source'].split(',', 1)[1])}. "
        "The gates and likenesses are set by hand here; in the chapters networks learn them."
        "</figcaption></figure>"
    )


def begin_html(chapter: Chapter, href: str, minutes: int) -> str:
    """The one button of the cover."""
    return (
        f'<p class="ac-begin"><a href="{escape(href)}">Begin: {escape(chapter.title)}</a> '
        f"<span>{minutes} minutes</span></p>"
    )


def minutes_of(notebook: Path) -> int:
    """How long the main path of a chapter takes, as its own page says it."""
    return reading.rounded(
        reading.measure(json.loads(notebook.read_text(encoding="utf-8"))).path.minutes
    )


class cover(nodes.General, nodes.Element):
    """The cover's demonstration; its child says in words what it shows."""


class Cover(SphinxDirective):
    """The demonstration, and the button that leads to the first chapter."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for name in (
            DATA,
            "attncourse/views/machines/bench.js",
            "attncourse/views/explorers/core.js",
        ):
            self.env.note_dependency(str(root / name))
        self.env.note_dependency(str(Path(__file__).parent / "static" / "cover.js"))
        list(plans.written(self))  # the minutes depend on the notebooks, and this says so
        return [cover("", nodes.paragraph(text=TEXT))]


def visit_html(translator: Any, node: cover) -> None:
    """The page has the figure and the button, an EPUB the words."""
    builder = translator.builder
    if builder.name != "html":
        return
    root, env = Path(builder.srcdir), builder.env
    plan = plans.read(root / builder.config.attnbook_plan)
    first = next(c for part in plan for c in part.chapters if c.docname in env.found_docs)
    href = builder.get_relative_uri(builder.current_docname, first.docname)
    button = begin_html(first, href, minutes_of(Path(env.doc2path(first.docname))))
    translator.body.append(figure_html(root) + button)
    raise nodes.SkipNode
