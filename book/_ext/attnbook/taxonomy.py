"""``{taxonomy-map}``: every mechanism of the course, by the question that its g answers."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from attnbook import plan as plans
from attnbook.cover import minutes_of
from attnbook.plan import BOOK, Address, Category, Chapter


@dataclass(frozen=True)
class About:
    """What the map tells of a chapter that is written: its minutes, and its first figure."""

    minutes: int
    picture: str = ""


#: Chapter -> what is known of it.
Known = Callable[[Chapter], About | None]


def map_html(plan: tuple[Category, ...], address: Address, known: Known = lambda _: None) -> str:
    """The map as HTML: a panel a category, an entry a chapter; those to come are counted."""
    panels = "".join(_panel(category, address, known) for category in plan)
    return (
        '<nav class="ac-map" aria-label="Map of the course">'
        '<p class="ac-map-formula"><span class="ac-y">y</span> = '
        '<span class="ac-y">f</span>(<span class="ac-g">g</span>(<span class="ac-x">x</span>), '
        '<span class="ac-x">x</span>)</p>'
        f'<ol class="ac-map-panels">{panels}</ol></nav>'
    )


def wing_html(category: Category, address: Address) -> str:
    """One category's part of the map, for the page that opens it."""
    entries = "".join(_entry(chapter, address(chapter.path)) for chapter in category.chapters)
    return (
        f'<nav class="ac-map ac-wing" aria-label="Chapters of this part">'
        f'<div class="ac-map-panel"><div class="ac-map-head">{glyph(category.name)}'
        f'<p class="ac-map-answer">{escape(category.answer)}</p></div>'
        f'<ol class="ac-map-chapters">{entries}</ol></div></nav>'
    )


def count_html(plan: tuple[Category, ...], address: Address) -> str:
    """How many chapters there are, and how many are to come."""
    ready = [address(chapter.path) is not None for part in plan for chapter in part.chapters]
    here, more = sum(ready), len(ready) - sum(ready)
    coming = f", {more} more are planned" if more else ""
    return f'<p class="ac-map-count">{here} chapters are here{coming}.</p>'


def _panel(category: Category, address: Address, known: Known) -> str:
    ready = [chapter for chapter in category.chapters if address(chapter.path)]
    entries = "".join(_entry(c, address(c.path), known(c)) for c in ready)
    if coming := len(category.chapters) - len(ready):
        more, verb = " more" if ready else "", "is" if coming == 1 else "are"
        entries += f'<li class="ac-map-more">{coming}{more} {verb} planned</li>'
    name = escape(category.name.replace("_", "-"))
    asks = category.question
    mark = "?" if asks.split()[0] in {"what", "where", "when", "which"} else ""
    heading = escape(asks[0].upper() + asks[1:]) + mark
    if page := address(f"{category.name}/index"):
        heading = f'<a href="{escape(page)}">{heading}</a>'
    return (
        f'<li class="ac-map-panel ac-map-{name}"><div class="ac-map-head">'
        f"{glyph(category.name)}<div>"
        f'<h3 class="ac-map-asks">{heading}</h3>'
        f'<p class="ac-map-title">{escape(category.title)}</p></div></div>'
        f'<p class="ac-map-answer">{escape(category.answer)}</p>'
        f'<ol class="ac-map-chapters">{entries}</ol></li>'
    )


def _entry(chapter: Chapter, href: str | None, about: About | None = None) -> str:
    title = f'<span class="ac-map-name">{escape(chapter.title)}</span>'
    decides = f'<span class="ac-map-decides">{escape(chapter.decides)}</span>'
    mark = f'data-chapter="{escape(chapter.path)}"'
    if href is None:
        coming = '<span class="ac-map-soon">coming</span>'
        return f'<li class="ac-map-coming" {mark}>{title} {coming} {decides}</li>'
    picture = minutes = ""
    if about:
        minutes = f' <span class="ac-map-minutes">{about.minutes} min</span>'
        if about.picture:
            picture = f'<img class="ac-thumb" alt="" src="{escape(about.picture)}">'
    text = f"<span>{title}{minutes} {decides}</span>"
    return f'<li class="ac-map-ready" {mark}><a href="{escape(href)}">{picture}{text}</a></li>'


def first_figure(builder: Any, docname: str) -> str:
    """Address of the first picture of a page, as the present page writes it, or nothing."""
    for image in builder.env.get_doctree(docname).findall(nodes.image):
        if found := builder.env.images.get(image["uri"]):
            return posixpath.join(builder.imgpath, found[1])
    return ""


def glyph(category: str) -> str:
    """A small drawing of the shape of g(x): orange is what it weighs.  Decorative."""
    return (
        '<svg class="ac-glyph" viewBox="0 0 56 40" width="56" height="40" '
        f'aria-hidden="true" focusable="false">{_GLYPHS[category]()}</svg>'
    )


def _rect(x: float, y: float, w: float, h: float, attention: float = 0, kind: str = "") -> str:
    style = f' style="fill-opacity:{attention:g}"' if attention else ""
    kind = kind or ("k g" if attention else "k")
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="1.5"{style}/>'
    )


def _grid(x: float, y: float, side: float, lit: dict[tuple[int, int], float], n: int = 3) -> str:
    return "".join(
        _rect(x + j * side, y + i * side, side - 1.5, side - 1.5, lit.get((i, j), 0))
        for i in range(n)
        for j in range(n)
    )


def _channel() -> str:
    lit = (0.25, 1, 0.1, 0.65, 0.15)
    return "".join(_rect(4 + 10 * k, 5, 7, 30, a) for k, a in enumerate(lit))


def _spatial() -> str:
    lit = {(1, 1): 1.0, (1, 2): 0.7, (0, 1): 0.4, (2, 2): 0.35}
    return _grid(10, 2.5, 9, lit, 4)


def _temporal() -> str:
    lit = (0, 0.25, 1, 0.4, 0)
    return "".join(_rect(2 + 11 * k, 12, 9, 16, a) for k, a in enumerate(lit)) + (
        '<path class="l" d="M2 35H54"/>'
    )


def _branch() -> str:
    return (
        '<path class="l" d="M2 20H10C16 20 14 7 22 7H34C42 7 40 20 46 20H54M10 20H46"/>'
        '<path class="lg" d="M10 20C16 20 14 33 22 33H34C42 33 40 20 46 20"/>'
        + _rect(22, 3, 12, 8)
        + _rect(22, 16, 12, 8, 0.25)
        + _rect(22, 29, 12, 8, 1)
    )


def _channel_spatial() -> str:
    return (
        "".join(_rect(12 - 4 * k, 4 + 3 * k, 27, 27) for k in range(2))
        + _grid(20, 10, 9, {(0, 1): 0.4, (1, 1): 1, (1, 2): 0.6})
        + _rect(48, 10, 5, 25.5, 0.7)
    )


def _spatial_temporal() -> str:
    lit = ({(0, 0): 0.3}, {(1, 1): 1.0, (1, 2): 0.5}, {(2, 1): 0.3})
    return "".join(_grid(2 + 18 * k, 11, 5.5, lit[k]) for k in range(3)) + (
        '<path class="l" d="M2 35H54"/>'
    )


def _foundations() -> str:
    return (
        '<path class="l" d="M12 26H46M18 26V11H26M38 15V21"/>'
        + _rect(3, 20, 12, 12, kind="x")
        + '<circle class="gg" cx="34" cy="11" r="8"/>'
        + _rect(42, 20, 12, 12, kind="y")
    )


def _closing() -> str:
    rows = ((8, 22, "p"), (20, 36, "a"), (32, 48, "m"))
    return '<path class="l" d="M4 2V38"/>' + "".join(
        f'<path class="l" d="M4 {y}H{x}"/><circle class="{kind}" cx="{x}" cy="{y}" r="4"/>'
        for y, x, kind in rows
    )


_GLYPHS = {
    "foundations": _foundations,
    "channel": _channel,
    "spatial": _spatial,
    "temporal": _temporal,
    "branch": _branch,
    "channel_spatial": _channel_spatial,
    "spatial_temporal": _spatial_temporal,
    "closing": _closing,
}


class taxonomy_map(nodes.General, nodes.Element):
    """The map; its children are the same list in plain text, for search and other formats."""


class TaxonomyMap(SphinxDirective):
    """Draw the map of the course, or the part of it that the argument names."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / self.config.attnbook_plan
        self.env.note_dependency(str(path))
        self.env.note_dependency(str(Path(self.env.srcdir) / self.config.external_toc_path))
        node = taxonomy_map()
        wanted = node["category"] = self.arguments[0] if self.arguments else ""
        for category in _chosen(plans.read(path), wanted):
            titles = ", ".join(chapter.title for chapter in category.chapters)
            node += nodes.paragraph(text=f"{category.title} ({category.question}): {titles}.")
        return [node]


def _chosen(plan: tuple[Category, ...], name: str) -> tuple[Category, ...]:
    """The category called ``name``, or all of them."""
    chosen = tuple(c for c in plan if name in ("", c.name))
    if not chosen:
        known = ", ".join(c.name for c in plan)
        raise ExtensionError(f"taxonomy-map: no category {name!r}; the plan has: {known}")
    return chosen


def visit_html(translator: Any, node: taxonomy_map) -> None:
    builder = translator.builder
    plan = plans.read(Path(builder.srcdir) / builder.config.attnbook_plan)

    def address(path: str) -> str | None:
        docname = f"{BOOK}/{path}"
        if docname not in builder.env.found_docs:
            return None
        return builder.get_relative_uri(builder.current_docname, docname)

    def known(chapter: Chapter) -> About | None:
        if chapter.docname not in builder.env.found_docs:
            return None
        minutes = minutes_of(Path(builder.env.doc2path(chapter.docname)))
        return About(minutes, first_figure(builder, chapter.docname))

    if node["category"]:
        html = "".join(wing_html(c, address) for c in _chosen(plan, node["category"]))
    else:
        html = count_html(plan, address) + map_html(plan, address, known)
    translator.body.append(html)
    raise nodes.SkipNode


def visit_text(translator: Any, node: taxonomy_map) -> None:
    """Other formats show the children."""


def depart(translator: Any, node: taxonomy_map) -> None:
    """Nothing to close."""
