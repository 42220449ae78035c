"""Read the plan of the course (``attncourse/plan.toml``) without importing the package."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

#: Folder of the chapters, relative to the root of the sources.
BOOK = "book"

#: Path such as ``channel/squeeze_excitation`` -> address of its page, or ``None`` if it is coming.
Address = Callable[[str], str | None]


@dataclass(frozen=True)
class Chapter:
    category: str
    stem: str
    title: str
    short: str
    decides: str

    @property
    def path(self) -> str:
        return f"{self.category}/{self.stem}"

    @property
    def docname(self) -> str:
        return f"{BOOK}/{self.path}"


@dataclass(frozen=True)
class Category:
    name: str
    title: str
    question: str
    answer: str
    chapters: tuple[Chapter, ...]


def read(path: Path) -> tuple[Category, ...]:
    """All categories of the course with their chapters, in reading order."""
    plan = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Category(
            name=row["name"],
            title=row["title"],
            question=row["question"],
            answer=row["answer"],
            chapters=tuple(
                Chapter(
                    category=row["name"],
                    stem=chapter["stem"],
                    title=chapter["title"],
                    short=chapter.get("short", chapter["title"]),
                    decides=chapter["decides"],
                )
                for chapter in row["chapter"]
            ),
        )
        for row in plan["category"]
    )


def find(plan: tuple[Category, ...], docname: str) -> tuple[Category, Chapter] | None:
    """The chapter whose page is ``docname``, with its category."""
    for category in plan:
        for chapter in category.chapters:
            if chapter.docname == docname:
                return category, chapter
    return None


def written(directive: SphinxDirective) -> Iterator[tuple[Chapter, Path, str]]:
    """Each chapter that is there: itself, its notebook, and its address from the present page.

    The page is built anew when the plan, the table of contents or one of the notebooks changes.
    """
    env, config = directive.env, directive.config
    root = Path(env.srcdir)
    env.note_dependency(str(root / config.attnbook_plan))
    env.note_dependency(str(root / config.external_toc_path))
    for category in read(root / config.attnbook_plan):
        for chapter in category.chapters:
            if chapter.docname in env.found_docs:
                notebook = env.doc2path(chapter.docname)
                env.note_dependency(notebook)
                uri = env.app.builder.get_relative_uri(env.docname, chapter.docname)
                yield chapter, Path(notebook), uri
