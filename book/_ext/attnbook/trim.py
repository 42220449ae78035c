"""Leave out of a page what it does not use: scripts, style sheets, and rules for icons.

Why it is safe: each script and sheet below is dropped only when nothing in the page's body
refers to what it does.  ``tests/book`` opens the built pages and listens for errors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

#: Never needed: live code in the page would ask a foreign host for its scripts.
_NEVER = ("thebe",)
#: Part of a file's name -> marks in the body, one of which it needs to have something to do.
_ONLY_WITH = {
    "sphinx-design": 'class="sd-',
    "design-tabs": 'class="sd-tab',
    "togglebutton": "toggle",
    "mystnb": 'class="cell',
    "copybutton": 'class="highlight',
    "clipboard": 'class="highlight',
    "mathjax": "math notranslate",
    "references.js": 'class="ac-ref',
    "progress.js": 'id="quiz-|class="ac-progress-page|data-chapter="',
    "answers.js": 'class="ac-answer"',
}
#: Scripts of the search page, which the theme loads on every page, and the icon script, which
#: alone is larger than all else; course.css draws the icons that the theme uses.
_SCRIPT = re.compile(
    r'\s*<script[^>]*\bsrc="[^"]*'
    r"(?:fontawesome\.js|searchtools\.js|language_data\.js|searchindex\.js)"
    r'[^"]*"[^>]*></script>'
)
#: Sheets that are made for every page of every book, under ``_static``.
_SHEETS = (
    "basic.css",
    "mystnb*.css",
    "styles/pydata-sphinx-theme.css",
    "styles/sphinx-book-theme.css",
)
#: What no page loads: the icon script, its fonts in a format for old browsers, and maps.
_IDLE_FILES = ("scripts/fontawesome.js*", "vendor/fontawesome/webfonts/*.ttf", "**/*.map")
_SCRIPTS = "_static/scripts/*.js"
#: Classes that a script puts together from parts.
_MADE_BY_SCRIPT = ("bs-", "tooltip")

_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_IDLE = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')
_COMMENT = re.compile(r"/\*.*?\*/|/[*/]# sourceMappingURL.*", re.DOTALL)
_RULE = re.compile(r"([^{};]+)(\{[^{}]*\})")
_BRACKETS = re.compile(r"\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]")
_COMMA = re.compile(r",(?![^(]*\))")
_CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
_WORD = re.compile(r"-?[A-Za-z_][\w-]*")


def keep(asset: str, body: str) -> bool:
    """Whether a page with this ``body`` needs the script or style sheet ``asset``.

    Args:
        asset: its file name, or its text if it stands in the page.
        body: HTML of the page.
    """
    name = asset.lower()
    if any(part in name for part in _NEVER):
        return False
    return all(
        any(mark in body for mark in marks.split("|"))
        for part, marks in _ONLY_WITH.items()
        if part in name
    )


def without_scripts(html: str) -> str:
    """Part of a page's head without the scripts that only weigh."""
    return _SCRIPT.sub("", html)


def lighter(body: str) -> str:
    """``body`` without style blocks that repeat an earlier one, and without idle markup in code.

    Names, punctuation and blanks have the colour of the text around them, so that they need no
    element of their own; they are two thirds of all elements of a chapter.
    """
    seen: set[str] = set()

    def first(match: re.Match[str]) -> str:
        if match.group() in seen:
            return ""
        seen.add(match.group())
        return match.group()

    return _IDLE.sub(r"\1", _STYLE.sub(first, body))


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Filter the page's scripts and styles; runs after all who add some."""
    context["attnbook_trim"] = without_scripts
    # The theme would add a bar with a second search field, and a place for advertisements.
    context["theme_navbar_persistent"] = context["theme_primary_sidebar_end"] = []
    body = context.get("body") or ""
    if body:
        context["body"] = body = lighter(body)
    for kind in ("script_files", "css_files"):
        context[kind] = [a for a in context.get(kind, []) if keep(_identity(a), body)]


def _identity(asset: Any) -> str:
    name = getattr(asset, "filename", None) or str(asset)
    attributes = getattr(asset, "attributes", None) or {}
    return name if name and name != "None" else str(attributes.get("body", ""))


def without_unused_rules(css: str, used: set[str]) -> str:
    """``css`` without the rules that can match nothing.

    A selector stays if each class it demands is in ``used``; what stands in brackets, as in
    ``:not(.a)``, demands nothing.  A rule stays if one of its selectors does.
    """

    def decide(match: re.Match[str]) -> str:
        selectors, body = match.group(1), match.group(2)
        kept = [one for one in _COMMA.split(selectors) if _possible(one, used)]
        return ",".join(kept) + body if kept else ""

    return _RULE.sub(decide, _COMMENT.sub("", css))


def _possible(selector: str, used: set[str]) -> bool:
    demanded = _CLASS.findall(_BRACKETS.sub("", selector))
    return all(name in used or name.startswith(_MADE_BY_SCRIPT) for name in demanded)


def trim_styles(app: Sphinx, error: Exception | None) -> None:
    """Shorten the sheets of the theme and of MyST-NB to what the built pages can use."""
    if error is not None:
        return
    out = Path(app.outdir)
    used: set[str] = set()
    for file in [*out.rglob("*.html"), *(out / "_static").glob("*.js"), *out.glob(_SCRIPTS)]:
        used |= set(_WORD.findall(file.read_text(encoding="utf-8")))
    for pattern in _IDLE_FILES:
        for file in (out / "_static").glob(pattern):
            file.unlink()
    for pattern in _SHEETS:
        for sheet in (out / "_static").glob(pattern):
            css = sheet.read_text(encoding="utf-8")
            sheet.write_text(without_unused_rules(css, used), encoding="utf-8")
