"""The plan of the course: every chapter, written or coming, in reading order.

The plan is data (``plan.toml`` beside this file), so that the book's pages can be built from
it without importing the package.  A mechanism's module, exercises, experiment, test and
chapter share the ``stem`` that stands there.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

#: Where a chapter's subject comes from.
SOURCES = ("slide", "ref", "survey", "ours")


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One row of the plan.

    Attributes:
        category: folder shared by the chapter's files.
        question: what its category asks: what, where, when, which.
        stem: file name shared by the chapter's files.
        title: as the chapter is headed.
        short: as the path strip names it.
        key: citation key of its main source, or ``""`` for chapters of our own.
        also: further citation keys.
        year: when the main source appeared, or ``None``.
        decides: what g decides, in plain words.
        source: one or more of :data:`SOURCES`.
    """

    category: str
    question: str
    stem: str
    title: str
    short: str
    decides: str
    source: tuple[str, ...]
    key: str = ""
    also: tuple[str, ...] = ()
    year: int | None = None

    @property
    def path(self) -> str:
        """Path shared by all wings, such as ``channel/squeeze_excitation``."""
        return f"{self.category}/{self.stem}"

    @property
    def keys(self) -> tuple[str, ...]:
        """All citation keys of the chapter."""
        return (self.key, *self.also) if self.key else self.also


def _read() -> tuple[Chapter, ...]:
    plan = tomllib.loads(files("attncourse").joinpath("plan.toml").read_text(encoding="utf-8"))
    return tuple(
        Chapter(
            category=category["name"],
            question=category["question"],
            stem=row["stem"],
            title=row["title"],
            short=row.get("short", row["title"]),
            decides=row["decides"],
            source=tuple(row["source"]),
            key=row.get("key", ""),
            also=tuple(row.get("also", ())),
            year=row.get("year"),
        )
        for category in plan["category"]
        for row in category["chapter"]
    )


#: Every chapter of the course, in reading order.
CHAPTERS: tuple[Chapter, ...] = _read()
