"""English search that also finds Chinese terms, of any length.

Sphinx takes a run of Chinese characters for one word, so a reader who looks for a part of it
finds nothing.  Each run is indexed whole, and in addition character pair by character pair.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

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


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Mark the Chinese of a page."""
    if context.get("body"):
        context["body"] = mark_language(context["body"])
