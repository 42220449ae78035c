"""Anchors of sections that say what they are, and each of which a page has once.

Docutils calls the second section of a title ``id1``.  Here the outermost section of a title keeps
the plain anchor, and each other one begins with the anchor of the section around it:
``what-it-costs`` and ``the-maths-what-it-costs``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from docutils import nodes
from sphinx.transforms import SphinxTransform


def sections_of(document: nodes.Element) -> list[tuple[int, nodes.section]]:
    """Every section with its depth, in the order of the page."""
    found = []
    for section in document.findall(nodes.section):
        depth, above = 0, section.parent
        while above is not None:
            depth += isinstance(above, nodes.section)
            above = above.parent
        found.append((depth, section))
    return found


def new_names(document: nodes.Element) -> dict[str, str]:
    """Old anchor -> new anchor, for the sections whose title stands in the page more than once."""
    same = defaultdict(list)
    for depth, section in sections_of(document):
        if section["ids"] and (title := section.next_node(nodes.title)) is not None:
            same[nodes.make_id(title.astext())].append((depth, section))
    renamed: dict[str, str] = {}
    taken = {i for _, s in sections_of(document) for i in s["ids"]}
    for name, sections in same.items():
        if len(sections) == 1 and name in sections[0][1]["ids"]:
            continue
        # Python's sort is stable: of two at the same depth, the first in the page.
        for rank, (_, section) in enumerate(sorted(sections, key=lambda s: s[0])):
            old = section["ids"][0]
            around = section.parent["ids"] if isinstance(section.parent, nodes.section) else ()
            plain = name or "section"
            new = plain if rank == 0 else _free(f"{_last(around, renamed)}{plain}", taken)
            taken.add(new)
            if new != old:
                renamed[old] = new
    return renamed


def _last(around: Any, renamed: dict[str, str]) -> str:
    return f"{renamed.get(around[0], around[0])}-" if around else ""


def _free(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


class NamedAnchors(SphinxTransform):
    """Rename before anything of Sphinx or MyST remembers an anchor."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        renamed = new_names(self.document)
        if not renamed:
            return
        nodes_of = {old: self.document.ids.pop(old, None) for old in renamed}
        for _, section in sections_of(self.document):
            section["ids"] = [renamed.get(i, i) for i in section["ids"]]
        for old, node in nodes_of.items():
            self.document.ids[renamed[old]] = node
        for key, anchor in list(self.document.nameids.items()):
            self.document.nameids[key] = renamed.get(anchor, anchor)
        slugs = getattr(self.document, "myst_slugs", {})
        for slug, (line, anchor, text) in list(slugs.items()):
            slugs[slug] = (line, renamed.get(anchor, anchor), text)
