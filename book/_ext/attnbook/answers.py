"""Exercises in the page: a form where the page can judge the answer, the notebook where it cannot.

What a form is judged by comes as data from the package, ``book/_data/exercises.json``; the script
``answers.js`` judges.  The verdict on the untouched cell stays in the notebook.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from attnbook import chapter

_CHECK = re.compile(r"""\bcheck\(\s*["']([\w.]+)["']""")
#: The verdict on a stub, as it stands in a cell's output.
_UNTOUCHED = "<strong>Not attempted yet</strong>"
_TEXT = (
    'type="text" autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck="false" '
    'maxlength="120"'
)


#: Above the exercises, whose first words are about the cells of the notebook.
HERE = (
    '<p class="ac-answer-here">On this page you answer numbers, choices and tables in a form, '
    "without a kernel. Code is written in the notebook.</p>"
)


def rich(text: str) -> str:
    """Escaped text in which what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def form_html(record: dict[str, Any]) -> str:
    """The form of one exercise, hidden until a script can judge it."""
    name = f"answer-{record['id'].replace('.', '-').replace('_', '-')}"
    fields = {"value": _numbers, "choice": _options, "table": _cells}[record["kind"]]
    data = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<form class="ac-answer" id="{name}" aria-label="Answer: {escape(record["title"])}" '
        f'autocomplete="off" novalidate hidden>{fields(record, name)}'
        '<p class="ac-answer-buttons"><button type="submit">Check</button> '
        '<button type="reset" hidden>Try again</button></p>'
        '<div class="ac-verdict" role="status" aria-live="polite"></div>'
        f'<script type="application/json">{data}</script></form>'
    )


def _numbers(record: dict[str, Any], name: str) -> str:
    # The keypad of some phones for decimal numbers has no minus.
    mode = "decimal" if record["low"] is not None and record["low"] >= 0 else "text"
    several = len(record["fields"]) > 1
    fields = "".join(
        f'<p class="ac-field"><label for="{name}-{place}">'
        f"{'' if several else 'Your answer, '}{rich(label)}</label>"
        f'<input id="{name}-{place}" inputmode="{mode}" {_TEXT}></p>'
        for place, label in enumerate(record["fields"], start=1)
    )
    if several:
        return f'<fieldset class="ac-fields"><legend>Your answers</legend>{fields}</fieldset>'
    return fields


def _options(record: dict[str, Any], name: str) -> str:
    def text(option: dict[str, Any]) -> str:
        return f"<code>{escape(option['text'])}</code>" if option["code"] else rich(option["text"])

    options = "".join(
        f'<label><input type="radio" name="{name}" value="{option["letter"]}"> '
        f"<span>{option['letter']}) {text(option)}</span></label>"
        for option in record["options"]
    )
    return f'<fieldset class="ac-options"><legend>Your choice</legend>{options}</fieldset>'


def _cells(record: dict[str, Any], name: str) -> str:
    # "None" is a column of its own, so that a row without labels differs from an open one.
    columns = [*((label, label) for label in record["labels"]), ("", "none")]
    head = "".join(f'<th scope="col">{rich(words)}</th>' for _, words in columns)
    head = head.replace("none</th>", "none <code>()</code></th>")
    rows = "".join(
        f'<tr><th scope="row">{rich(row).replace("_", "_<wbr>")}</th>'
        + "".join(
            f'<td><label><input type="checkbox" value="{escape(label)}" data-row="{escape(row)}" '
            f'aria-label="{escape(row)}, {escape(words)}"></label></td>'
            for label, words in columns
        )
        + "</tr>"
        for row in record["truth"]
    )
    return (
        "<fieldset><legend>Your answer: tick what belongs to each row</legend>"
        f'<div class="ac-ticks"><table><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></fieldset>"
    )


def notebook_html(links: tuple[tuple[str, str], ...], download: str) -> str:
    """Where an exercise that asks for code can be done."""
    places = [f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in links]
    places.append(f'<a href="{escape(download)}" download>download it</a>')
    listed = f"{', '.join(places[:-1])}, or {places[-1]}" if places[1:] else places[0]
    opened = f"open it in {listed}" if links else listed
    return f'<p class="ac-notebook">This one asks for code, so do it in the notebook: {opened}.</p>'


def records(data: Path, here: str) -> dict[str, dict[str, Any]]:
    """Name -> data of the exercises of the chapter ``here`` that a page can judge."""
    if not data.exists():
        return {}
    found = json.loads(data.read_text(encoding="utf-8")).get(here, [])
    return {record["id"]: record for record in found}


def exercise_of(cell: nodes.Element) -> str | None:
    """Name of the exercise that the cell leaves to the reader; ``None`` for any other cell."""
    asked = _CHECK.search(cell.astext())
    untouched = any(_UNTOUCHED in raw.astext() for raw in cell.findall(nodes.raw))
    return asked[1] if asked and untouched else None


def silence(cell: nodes.Element) -> None:
    """Take the verdict on the stub out of ``cell``."""
    for raw in [raw for raw in cell.findall(nodes.raw) if _UNTOUCHED in raw.astext()]:
        leaf: nodes.Element = raw
        while leaf.parent is not cell and len(leaf.parent.children) == 1:
            leaf = leaf.parent
        leaf.parent.remove(leaf)


def offer(cell: nodes.Element, record: dict[str, Any] | None, notebook: str) -> None:
    """Say before ``cell`` how to answer: in a form, with the cell folded, or in the notebook."""
    if record is None:
        _replace(cell, [nodes.raw("", notebook, format="html"), cell])
        return
    fold = '<details class="ac-code"><summary>The same in the notebook</summary>'
    _replace(
        cell,
        [
            nodes.raw("", form_html(record) + fold, format="html"),
            cell,
            nodes.raw("", "</details>", format="html"),
        ],
    )


def _replace(cell: nodes.Element, by: list[nodes.Node]) -> None:
    parent = cell.parent
    place = parent.index(cell)
    parent.children[place : place + 1] = by
    for node in by:
        node.parent = parent


def on_doctree(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let the page of a chapter ask its exercises itself; an EPUB only loses the verdicts."""
    if app.builder.format != "html":
        return
    cells = [n for n in doctree.findall(nodes.container) if "cell" in n["classes"]]
    asked = [(cell, name) for cell in cells if (name := exercise_of(cell))]
    for cell, _ in asked:
        silence(cell)
    if app.builder.name != "html":
        return
    root = Path(app.srcdir)
    here = docname.removeprefix("book/")
    known = records(root / app.config.attnbook_exercises, here)
    notebook = Path(app.env.doc2path(docname))
    download = f"{'../' * docname.count('/')}_sources/{docname}{notebook.suffix}"
    links = chapter.launch_links(
        app.config.html_theme_options, notebook.relative_to(root).as_posix()
    )
    for cell, name in asked:
        offer(cell, known.get(name), notebook_html(links, download))
    if asked and isinstance(first := asked[0][0].parent, nodes.section):
        _replace(first, [nodes.raw("", HERE, format="html"), first])
