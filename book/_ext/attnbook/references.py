"""Equations, figures, tables and exercises have an anchor each, and are links where they are named.

All of it is done on the page's HTML at build time: prose, tables that a cell printed, hints and
comments in code are then one text.  What a page does not have is not linked: "(2014)", "Table 3"
of a paper, ``(3, 3)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from sphinx.application import Sphinx

SCRIPT = "references.js"
#: Word in the text, without its ending -> beginning of the anchor.
_KINDS = {"equation": "eq", "figure": "fig", "table": "tab", "exercise": "exercise"}

_MATHS = re.compile(r'<div class="math\b[^>]*>.*?</div>', re.DOTALL)
_TAG = re.compile(r'\\tag\{(\w+)\}|<span class="eqno">\((\w+)\)</span>')
_CAPTION = re.compile(
    r'<p(?: class="ac-caption")?>'
    r"<strong>(?P<name>(?P<kind>Figure|Table) (?P<number>\d+)\.?)</strong>(?P<text>.*?)</p>",
    re.DOTALL,
)
_OUTPUT = '<div class="cell_output'
_EXERCISE = re.compile(r'(<section id="(exercise-(\d+)-[\w-]*)">)(.*?</h\d>)', re.DOTALL)

_TOKEN = re.compile(
    r"<!--.*?-->|<(?P<whole>script|style|svg|math)\b.*?</(?P=whole)>|<[^>]*>|[^<]+", re.DOTALL
)
_ELEMENT = re.compile(r"</?([a-zA-Z][\w-]*)")
#: Elements in which nothing is linked.
_CLOSED = re.compile(
    r"<(?:(a|pre|code|h[1-6]|summary|button|label|select|textarea)\b"
    r'|(span|div)[^>]*class="(?:math|ac-read)\b|(strong) class="ac-number")'
)
_INLINE = frozenset(
    ("a", "abbr", "b", "code", "em", "i", "kbd", "q", "small", "span", "strong", "sub", "sup", "u")
)
_COMMENT = '<span class="c1">'

_ONE = r"\(?\d{1,2}[a-z]?\)?"
_NAMED = re.compile(
    rf"\b(?P<word>Figure|Table|[Ee]xercise|[Ee]quation)"
    rf"(?:s\s+(?P<many>{_ONE}(?:(?:,\s+and|,|\s+and|\s+or|\s+to|–)\s*{_ONE})*)"
    rf"|\s+(?P<one>{_ONE}))(?![\w.]*\d)"
    r"|(?<![\w)\]’'])\((?P<bare>\d{1,2}[a-z]?)\)(?![\w(])"
)
_NUMBER = re.compile(r"\(?(\d{1,2}[a-z]?)\)?")
#: A number of somebody else's: "the paper's Figure 2", "(3) of the paper", "Table 1 of Hu et al.".
_THEIRS = re.compile(
    r"(?:(?:paper|author|survey|et al\.|[A-Z][\w-]*[A-Z]\w*)s?[’']s?|\btheir|\bIts|\bits)"
    r"(?:\s+own)?,?\s+(?:[Ee]quations?\s+)?$"
)
_ELSEWHERE = re.compile(
    r"\s+(?:(?:of|in|from)\s+(?:the\s+(?:[\w-]+\s+)?(?:paper|chapter|appendix|supplement)"
    r"|their\b|[A-Z][\w-]+(?:,| and\b| et\b))|(?:of|from)\s+(?!Figure|Table|Exercise)[A-Z])"
)


def anchored(body: str, *, signs: bool = True) -> tuple[str, dict[str, str]]:
    """``body`` with an anchor for all that has a number.

    Args:
        body: HTML of a page.
        signs: whether each gets a sign that is a link to itself.

    Returns:
        the page, and its anchors: ``eq-6`` -> what it is called in full.
    """
    known: dict[str, str] = {}

    def sign(anchor: str) -> str:
        if not signs:
            return ""
        return (
            f'<a class="headerlink" href="#{anchor}" title="Link to this place" '
            f'aria-label="Link to {known[anchor]}">#</a>'
        )

    def equation(found: re.Match[str]) -> str:
        numbers = [a or b for a, b in _TAG.findall(found.group())]
        anchors = [f"eq-{n}" for n in numbers if f"eq-{n}" not in known]
        if not anchors:
            return found.group()
        known.update({a: f"equation ({a.removeprefix('eq-')})" for a in anchors})
        more = "".join(f'<span id="{anchor}"></span>' for anchor in anchors[1:])
        return (
            f'<div class="ac-eqn" id="{anchors[0]}">{more}{found.group()}{sign(anchors[0])}</div>'
        )

    def exercise(found: re.Match[str]) -> str:
        start, long, number, heading = found.groups()
        anchor = f"exercise-{number}"
        if anchor in known:
            return found.group()
        known[anchor] = f"exercise {number}"
        return f'{start}<span id="{anchor}"></span>' + heading.replace(
            f'href="#{long}"', f'href="#{anchor}"'
        )

    body = _EXERCISE.sub(exercise, _MATHS.sub(equation, body))
    return _with_captions(body, known, sign), known


def _with_captions(body: str, known: dict[str, str], sign: Any) -> str:
    """``body`` with an anchor at the output above each caption, or at the caption where none is."""
    parts: list[str] = []
    end = 0
    for found in _CAPTION.finditer(body):
        anchor = f"{_KINDS[found['kind'].lower()]}-{found['number']}"
        between = body[end : found.start()]
        end = found.end()
        if anchor in known:
            parts += [between, found.group()]
            continue
        known[anchor] = f"{found['kind']} {found['number']}"
        place = between.rfind(_OUTPUT)
        own = f' id="{anchor}"'
        if place >= 0 and not re.search(r"<h[1-6]\b", between[place:]):
            between = between[: place + 4] + own + between[place + 4 :]
            own = ""
        parts += [
            between,
            f'<p class="ac-caption"{own} data-of="{anchor}"><strong class="ac-number">'
            f"{found['name']}</strong>{found['text']}{sign(anchor)}</p>",
        ]
    return "".join([*parts, body[end:]])


def linked(body: str, known: dict[str, str]) -> str:
    """``body`` in which each name of a known anchor is a link to it."""
    tokens = [m.group() for m in _TOKEN.finditer(body)]
    plain = [_plain(token) for token in tokens]
    out: list[str] = []
    for n, (token, closed) in enumerate(zip(tokens, _closed(tokens), strict=True)):
        comment = closed == "pre" and n > 0 and tokens[n - 1] == _COMMENT
        if token.startswith("<") or (closed and not comment):
            out.append(token)
        else:
            before = "".join(plain[max(0, n - 12) : n])[-80:]
            after = "".join(plain[n + 1 : n + 12])[:80]
            out.append(_in_text(before, token, after, known))
    return "".join(out)


def _plain(token: str) -> str:
    """What a token reads as beside others: a formula as a letter, a block as a new line."""
    if not token.startswith("<"):
        return token
    if token.startswith("<math"):
        return "x"
    element = _ELEMENT.match(token)
    return "" if element and element[1] in _INLINE else "\n"


def _closed(tokens: list[str]) -> Iterator[str]:
    """For each token the element around it in which nothing is linked, or an empty string."""
    name, depth = "", 0
    for token in tokens:
        if not token.startswith("<"):
            yield name
            continue
        if not name and (found := _CLOSED.match(token)):
            name, depth = next(filter(None, found.groups())), 0
        around = name
        element = _ELEMENT.match(token)
        if name and element and element[1] == name:
            depth += -1 if token.startswith("</") else 1
            if depth == 0:
                name = ""
        yield around


def _in_text(before: str, text: str, after: str, known: dict[str, str]) -> str:
    def link(found: re.Match[str]) -> str:
        ahead = (before + text[: found.start()])[-80:]
        behind = text[found.end() :] + after
        whole = found.group()
        if _THEIRS.search(ahead) or _ELSEWHERE.match(behind):
            return whole
        if found["bare"]:
            # "f(2)" across an element's border is a call, not an equation.
            if re.search(r"[\w)\]]$", ahead):
                return whole
            return _link(whole, f"eq-{found['bare']}", known)
        kind = _KINDS[found["word"].lower()]
        if found["one"]:
            number = _NUMBER.fullmatch(found["one"])
            return _link(whole, f"{kind}-{number[1]}", known) if number else whole
        start = found.start("many") - found.start()
        return whole[:start] + _NUMBER.sub(
            lambda n: _link(n.group(), f"{kind}-{n[1]}", known), whole[start:]
        )

    return _NAMED.sub(link, text)


def _link(text: str, anchor: str, known: dict[str, str]) -> str:
    """A link, with its full name where the text is a number alone."""
    if anchor not in known:
        return text
    label = "" if text[0].isalpha() else f' aria-label="{escape(known[anchor])}"'
    return f'<a class="ac-ref" href="#{anchor}"{label}>{text}</a>'


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Give a page its anchors and its links; an EPUB has no signs and no previews."""
    if not context.get("body") or doctree is None:
        return
    site = app.builder.name == "html"
    body, known = anchored(context["body"], signs=site)
    context["body"] = linked(body, known)
    if site and 'class="ac-ref"' in context["body"]:
        app.add_js_file(SCRIPT, defer="defer")
