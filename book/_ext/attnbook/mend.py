"""Mend what Sphinx writes into a page that a screen reader or a link stumbles over."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

#: The references are called a list, but its entries no list items; the pattern of ARIA that
#: would allow this was withdrawn.
_CITATIONS = re.compile(r'<div role="list" class="citation-list">')
_ENTRY = re.compile(r'(<div class="citation"[^>]*) role="doc-biblioentry"')

#: A citation in the text and the list of sources have anchors that nothing leads to.
_CITED = re.compile(
    r'(<(?:span class="bibtex-citation"|div class="docutils container")) id="id\d+"'
)


def mended(body: str) -> str:
    """``body`` with roles that fit their elements, and anchors that say what they are."""
    body = _CITED.sub(r"\1", body)
    return _ENTRY.sub(r"\1", _CITATIONS.sub('<div class="citation-list">', body))


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Mend a page's body."""
    if context.get("body"):
        context["body"] = mended(context["body"])
