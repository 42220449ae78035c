"""``{progress-table}``: every chapter with its exercises and questions, for progress.js to fill.

What the reader has solved is known to the browser alone; this table says what there is to solve.
So does a block of data on each page that names chapters by ``data-chapter``, such as the map.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from attnbook import plan as plans
from attnbook.plan import BOOK

_CHECK = re.compile(r"""\bcheck\(\s*["']([\w.]+)["']""")
_QUESTION = re.compile(r'role="group" aria-labelledby="quiz-')


def contents(notebook: Path) -> tuple[list[str], list[str]]:
    """Names of a notebook's exercises and of its quiz questions."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    exercises = dict.fromkeys(m for c in code for m in _CHECK.findall("".join(c["source"])))
    shown = "".join(
        "".join(output.get("data", {}).get("text/html", ""))
        for c in code
        for output in c["outputs"]
    )
    count = len(_QUESTION.findall(shown))
    return list(exercises), [f"{notebook.stem}.{n + 1}" for n in range(count)]


def table_html(rows: list[tuple[str, str, list[str], list[str]]]) -> str:
    """The table; each row is (title, address, exercises, questions)."""
    body = ""
    for title, href, exercises, quiz in rows:
        names = f'data-exercises="{" ".join(exercises)}" data-quizzes="{" ".join(quiz)}"'
        body += (
            f'<tr {names}><th scope="row"><a href="{escape(href)}">{escape(title)}</a></th>'
            f'<td class="ac-exercises">{len(exercises)}</td>'
            f'<td class="ac-quizzes">{len(quiz)}</td></tr>'
        )
    return (
        '<div class="ac-progress-page"><div class="pst-scrollable-table-container">'
        '<table class="table"><thead><tr><th scope="col">chapter</th>'
        '<th scope="col">exercises solved</th><th scope="col">questions answered right</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div></div>"
    )


class ProgressTable(SphinxDirective):
    """One row for each chapter that is there."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (chapter.title, href, *contents(notebook))
            for chapter, notebook, href in plans.written(self)
        ]
        return [nodes.raw("", table_html(rows), format="html")]


def contents_html(chapters: dict[str, tuple[list[str], list[str]]]) -> str:
    """What each chapter asks, as data: its exercises and its quiz questions."""
    data = {path: {"exercises": e, "quizzes": q} for path, (e, q) in chapters.items()}
    text = json.dumps(data, separators=(",", ":"))
    return f'<script type="application/json" id="ac-contents">{text}</script>'


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Add to a page that names chapters what they ask, for progress.js to mark them."""
    named = set(re.findall(r'data-chapter="([\w/]+)"', context.get("body") or ""))
    notebooks = {path: Path(app.env.doc2path(f"{BOOK}/{path}")) for path in sorted(named)}
    asked = {
        path: contents(notebook)
        for path, notebook in notebooks.items()
        if notebook.suffix == ".ipynb" and notebook.exists()
    }
    if asked:
        context["body"] += contents_html(asked)
