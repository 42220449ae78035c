"""``{comparison}``: every mechanism in one table, with closed forms that the page evaluates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from attnbook.plan import BOOK
from attnbook.unicode_maths import mathml

SCRIPT = "compare.js"
#: Letter -> label, choices; the script begins at the value that the catalogue was made with.
CONTROLS = {
    "C": ("channels C", (32, 64, 128, 256, 512, 1024, 2048)),
    "H": ("rows H", (7, 14, 28, 56, 112)),
    "W": ("columns W", (7, 14, 28, 56, 112)),
    "T": ("frames T", (4, 8, 16, 32, 64)),
    "K": ("joints K", (15, 20, 25)),
    "r": ("reduction r", ("own", 2, 4, 8, 16, 32)),
}
_HEADS = (
    ("name", "mechanism"), ("year", "year"), ("category", "category"),
    ("parameters", "parameters"), ("macs", "multiply-adds"), ("growth", "memory grows as"),
)  # fmt: skip
#: As in the package's closed_forms.SETTINGS and attention.GROWTHS; a test compares them.
START = {"C": 256, "H": 14, "W": 14, "T": 16, "K": 20}
GROWTHS = ("C", "T", "N", "CT", "CN", "C²", "T²", "N²")


def forms_js(records: Sequence[dict[str, Any]]) -> str:
    """The closed forms as functions, one pair a mechanism."""
    lines = (
        f'  "{r["stem"]}": {{own: {json.dumps(r["closed_forms"]["reduction"])}, '
        f"parameters: ({', '.join(CONTROLS)}) => {r['closed_forms']['parameters']}, "
        f"macs: ({', '.join(CONTROLS)}) => {r['closed_forms']['macs']}}}"
        for r in records
    )
    return "window.attncourseForms = {\n" + ",\n".join(lines) + "\n};"


def controls_html(start: dict[str, int]) -> str:
    """Sliders; without scripts they stay hidden."""
    sliders = ""
    for letter, (label, choices) in CONTROLS.items():
        place = choices.index(start[letter]) if letter in start else 0
        sliders += (
            f'<label class="ac-slider"><span>{escape(label)}</span> '
            f'<input type="range" min="0" max="{len(choices) - 1}" step="1" value="{place}" '
            f'data-letter="{letter}" data-choices="{" ".join(map(str, choices))}"> '
            f"<output>{choices[place]}</output></label>"
        )
    return f'<div class="ac-compare-controls" hidden>{sliders}</div>'


def table_html(records: Sequence[dict[str, Any]], categories: Sequence[str], hrefs: Any) -> str:
    """The table at the starting settings, in the order of the course."""
    heads = "".join(f'<th scope="col" data-key="{k}">{escape(t)}</th>' for k, t in _HEADS)
    body = ""
    for order, record in enumerate(records):
        start = record["closed_forms"]["at_start"]
        keys = {
            "name": record["title"].lower(),
            "year": record["year"],
            "category": f"{categories.index(record['category'])}.{order:03}",
            "growth": GROWTHS.index(record["growth"]),
        }
        data = " ".join(f'data-{k}="{escape(str(v))}"' for k, v in keys.items())
        body += (
            f'<tr data-stem="{record["stem"]}" {data}><th scope="row">'
            f'<a href="{escape(hrefs(record["chapter"]))}">{escape(record["title"])}</a></th>'
            f"<td>{record['year']}</td><td>{escape(record['question'])}</td>"
            f'<td class="ac-number"><span>{start["parameters"]:,}</span>'
            f"<small>{mathml(record['parameters'])}</small></td>"
            f'<td class="ac-number"><span>{start["macs"]:,}</span>'
            f"<small>{mathml(record['macs'])}</small></td>"
            f"<td>{mathml(record['growth'])}<small>{mathml(record['memory'])}</small></td></tr>"
        )
    return (
        '<div class="pst-scrollable-table-container"><table class="table ac-compare-table">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class Comparison(SphinxDirective):
    """The table and its sliders."""

    def run(self) -> list[nodes.Node]:
        env = self.env
        catalog = Path(env.srcdir) / self.config.attnbook_catalog
        env.note_dependency(str(catalog))
        records = json.loads(catalog.read_text(encoding="utf-8"))
        categories = list(dict.fromkeys(record["category"] for record in records))

        def href(chapter: str) -> str:
            return env.app.builder.get_relative_uri(env.docname, f"{BOOK}/{chapter}")

        env.metadata[env.docname]["attnbook_comparison"] = "yes"
        html = (
            f'<div class="ac-compare">{controls_html(START)}'
            '<p class="ac-compare-said" role="status"></p>'
            f"{table_html(records, categories, href)}<script>\n{forms_js(records)}\n</script></div>"
        )
        return [nodes.raw("", html, format="html")]


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load the script where the table is."""
    if "attnbook_comparison" in app.env.metadata.get(pagename, {}):
        app.add_js_file(SCRIPT, defer="defer")
