"""Formulas as MathML for the EPUB, whose readers run no scripts."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

NAME = "mathml"
_TAG = re.compile(r"\\tag\{(\w+)\}")


def mathml(tex: str, display: str) -> str:
    """One formula; a numbered one with its number behind it.

    ``\\cr`` stands for a new line beside a tag, because ``\\\\`` does not work there in HTML.
    """
    from latex2mathml.converter import convert

    tag = _TAG.search(tex)
    bare = _TAG.sub("", tex).replace(r"\cr", r"\\").strip()
    number = f' <span class="eqno">({escape(tag[1])})</span>' if tag else ""
    return convert(bare, display=display) + number


def visit_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula in the text."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Make the renderer known; ``tools/takeaway.py`` chooses it."""
    app.add_html_math_renderer(NAME, (visit_inline, None), (visit_block, None))
