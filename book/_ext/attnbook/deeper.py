"""Sections that deepen fold, and a folded cell's figure stands before its code.

A section whose heading begins with ``Deeper:`` lies beside the main path.  Its heading becomes
the summary of a fold; paper has no folds, and shows all of it behind the main path.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

from attnbook.reading import DEEPER

#: Classes of MyST-NB: a code cell, what it shows, and the tag that folds its code.
_CELL, _OUTPUT, _FOLDED = "cell", "cell_output", "tag_hide-input"


def is_deeper(node: nodes.Node) -> bool:
    """Whether ``node`` is a section beside the main path."""
    return (
        isinstance(node, nodes.section)
        and isinstance(node[0], nodes.title)
        and node[0].astext().startswith(DEEPER)
    )


def fold(section: nodes.section) -> None:
    """Put all of a section but its heading into a fold that the heading opens."""
    title, *rest = section.children
    section.children = []
    section += [
        nodes.raw("", '<details class="ac-deeper"><summary>', format="html"),
        title,
        nodes.raw("", "</summary>", format="html"),
        *rest,
        nodes.raw("", "</details>", format="html"),
    ]


def figure_first(cell: nodes.Element) -> None:
    """Move the folded code of a cell behind what it shows.

    MyST-NB may wrap the folded input in a node of its own.
    """
    outputs = [c for c in cell if _has(c, _OUTPUT)]
    rest = [c for c in cell if not _has(c, _OUTPUT)]
    if outputs and rest:
        cell.children = [*outputs, *rest]


def _has(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Element) and name in node.get("classes", [])


def on_doctree(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Fold and reorder a page, after its table of contents was read off its headings."""
    if app.builder.format != "html":
        return
    for section in [n for n in doctree.findall(nodes.section) if is_deeper(n)]:
        fold(section)
    for cell in [n for n in doctree.findall(nodes.container) if _has(n, _CELL)]:
        if _has(cell, _FOLDED):
            figure_first(cell)
