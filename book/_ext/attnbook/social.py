"""What other sites show of a page: its description, and the book's own cover as its picture."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

PICTURE = "_static/cover-light.png"
_LONGEST = 200


def description(doctree: Any) -> str:
    """The first paragraph without a formula, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text and not list(paragraph.findall(nodes.math)):
            break
    else:
        return ""
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rsplit(" ", 1)[0].rstrip(",;:") + " ..."


def tags(title: str, text: str, base: str, page: str) -> str:
    """Elements of the page's head."""
    found = {"og:title": title, "og:type": "article", "og:description": text}
    if base:
        root = base.rstrip("/")
        found |= {"og:url": f"{root}/{page}", "og:image": f"{root}/{PICTURE}"}
    lines = [f'<meta name="description" content="{escape(text)}">'] if text else []
    lines += [f'<meta property="{k}" content="{escape(v)}">' for k, v in found.items() if v]
    return "\n".join(lines) + "\n"


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Describe a page in its head."""
    if doctree is None:
        return
    title = nodes.Text(context.get("title", "")).astext()
    plain = title.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    made = tags(plain, description(doctree), app.config.html_baseurl, f"{pagename}.html")
    context["metatags"] = context.get("metatags", "") + made
