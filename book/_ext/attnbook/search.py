"""English search that knows what readers call a mechanism, and finds Chinese terms of any length.

Sphinx takes a run of Chinese characters for one word, so a reader who looks for a part of it
finds nothing.  Each run is indexed whole, and in addition character pair by character pair.

A chapter is the first answer to the names in ``names.toml``, to the titles and authors of its
cards, and to the terms of the glossary that lead to it.  ``search.js`` mends what is misspelt.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

from attnbook.plan import BOOK

#: What chapters are called beside their titles, relative to the root of the sources.
NAMES = f"{BOOK}/_data/names.toml"
# A row of the glossary that leads somewhere: its term, the page, its Chinese.
_TERM = re.compile(r"^\| \[(.+?)\]\((.+?)\.(?:ipynb|md)\) \| (.+?) \|", re.MULTILINE)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
# A piece of markup, with all of a script, a style or a drawing; or a piece of text.
_PIECE = re.compile(r"(<(script|style|svg)\b.*?</\2>|<[^>]*>)|[^<]+", re.DOTALL)


class CourseSearch(SearchEnglish):
    """Sphinx's English index plus runs and pairs of Chinese characters."""

    lang = "en"

    def split(self, input: str) -> list[str]:  # Sphinx calls the argument input
        return super().split(input) + han_terms(input)


def han_terms(text: str) -> list[str]:
    """Every run of Chinese characters in ``text``, whole and in overlapping pairs."""
    terms = []
    for run in _HAN.findall(text):
        terms.append(run)
        if len(run) > 2:
            terms += [run[i : i + 2] for i in range(len(run) - 1)]
    return terms


def mark_language(html: str) -> str:
    """``html`` with every run of Chinese characters in its text marked as Chinese.

    Browsers then choose the right shapes, and screen readers the right voice.
    """
    if not _HAN.search(html):
        return html
    span = r'<span lang="zh-Hans">\g<0></span>'
    return _PIECE.sub(
        lambda piece: piece.group() if piece.group(1) else _HAN.sub(span, piece.group()), html
    )


def called(root: Path, catalog: str) -> Iterator[tuple[str, str, str]]:
    """Every name that a reader may look for, the page that is meant, and ``main`` or nothing.

    A name that is no main one, such as that of a second author, comes after what texts hold.
    """
    for path, names in tomllib.loads((root / NAMES).read_text(encoding="utf-8")).items():
        for name in names:
            yield name, f"{BOOK}/{path}", "main"
    for card in json.loads((root / catalog).read_text(encoding="utf-8")):
        page = f"{BOOK}/{card['chapter']}"
        yield card["title"], page, "main"
        for k, name in enumerate(card["authors"].split(", ")):
            yield name, page, "" if k else "main"
    glossary = (root / BOOK / "glossary.md").read_text(encoding="utf-8")
    for term, path, chinese in _TERM.findall(glossary):
        yield term, f"{BOOK}/{path}", "main"
        yield chinese, f"{BOOK}/{path}", "main"


def on_inited(app: Sphinx) -> None:
    """Sort the names by page, once a build."""
    found: dict[str, set[tuple[str, str]]] = {}
    for name, page, rank in called(Path(app.srcdir), app.config.attnbook_catalog):
        found.setdefault(page, set()).add((name, rank))
    app.attnbook_names = found  # type: ignore[attr-defined]


def on_doctree(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give a page its names: the search looks for them as for entries of an index.

    This is late enough that the page called *Index* stays what it is.
    """
    names = sorted(app.attnbook_names.get(docname, ()))  # type: ignore[attr-defined]
    if names:
        entries = [("single", name, "", rank, None) for name, rank in names]
        doctree.insert(0, addnodes.index(entries=entries))


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Mark the Chinese of a page; the page of the search gets its script."""
    if pagename == "search":
        app.add_js_file("search.js", loading_method="defer")
    if context.get("body"):
        context["body"] = mark_language(context["body"])
