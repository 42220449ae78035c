"""Cards, tables and diagrams with typeset formulas, at build time.

The notebooks keep the plain Unicode that reads everywhere; a page gets MathML, which browsers set
without a script, and drawings get raised and lowered letters.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from sphinx.application import Sphinx

from attnbook.unicode_maths import mathml, svg_text

_CARD = re.compile(r'(<dd class="ac-eq">|<dt>extra memory</dt><dd>)([^<]*)(?=</dd>)')
_DIAGRAM = re.compile(
    r'(?P<box><div class="ac-scroll" style="--ac-min:)[\d.]+px(?P<rest>">)'
    r'(?P<svg><svg [^>]*viewBox="0 0 (?P<width>[\d.]+) [^>]*>.*?</svg>'
    r'(?:<svg [^>]*class="ac-tall".*?</svg>)?)',
    re.DOTALL,
)
_TEXT = re.compile(r"(<text\b[^>]*>)([^<]*)(?=</text>)")
#: Least width of a diagram over its own: its smallest text is then 12 px high, and it scrolls.
_LEAST = 0.78


def typeset(body: str) -> str:
    """``body`` with the formulas of its cards and of its diagrams set."""
    body = _CARD.sub(lambda m: m[1] + mathml(unescape(m[2])), body)
    return _DIAGRAM.sub(_diagram, body)


def _diagram(found: re.Match[str]) -> str:
    drawing = _TEXT.sub(lambda m: m[1] + svg_text(unescape(m[2])), found["svg"])
    least = int(_LEAST * float(found["width"]))
    return f"{found['box']}{least}px{found['rest']}{drawing}"


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Set the formulas of a page."""
    if context.get("body"):
        context["body"] = typeset(context["body"])
