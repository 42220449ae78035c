"""How long a chapter takes: its main path, what deepens it, and its exercises.

Read off the notebook alone, with the standard library, so that the page that tells a reader the
minutes and the rule that keeps them to forty count the same things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

DEEPER = "Deeper:"
EXERCISES = "Exercises"
#: A reader of mathematics takes longer than a reader of prose: words a minute, and seconds for
#: each displayed formula, each line of code that the page shows, each table, each figure.
_WORDS, _FORMULA, _LINE, _TABLE, _FIGURE = 150, 30.0, 3.0, 30.0, 20.0
#: Minutes for an exercise of level 1, 2, 3, and for a question of the quiz.
_LEVELS, _QUESTION = {"1": 4, "2": 8, "3": 12}, 1
_HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}

_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_FOLD = re.compile(r"<details>.*?</details>", re.DOTALL)
_FORMULAS = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_INLINE = re.compile(r"\$[^$\n]+\$")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_HEADING = re.compile(r"^(#+) +(.*)$", re.MULTILINE)
_ROWS = re.compile(r"(?:^\|.*\n?)+", re.MULTILINE)
_CAPTION = re.compile(r"^\*\*Figure \d+\.\*\*", re.MULTILINE)
_LEVEL = re.compile(r"^Exercise \d+: .*\(level ([123])\)")


@dataclass
class Part:
    """What a part of a chapter holds."""

    words: int = 0
    formulas: int = 0
    lines: int = 0
    tables: int = 0
    figures: int = 0

    @property
    def minutes(self) -> float:
        """Minutes to read it."""
        seconds = self.formulas * _FORMULA + self.lines * _LINE
        seconds += self.tables * _TABLE + self.figures * _FIGURE
        return self.words / _WORDS + seconds / 60


@dataclass
class Reading:
    """A chapter taken apart.

    Attributes:
        path: the main path: all but the exercises and the sections that deepen.
        deeper: the sections that deepen.
        levels: level of each exercise.
        questions: how many the quiz has.
    """

    path: Part = field(default_factory=Part)
    deeper: Part = field(default_factory=Part)
    levels: list[str] = field(default_factory=list)
    questions: int = 0

    @property
    def exercise_minutes(self) -> int:
        """Minutes for exercises and quiz, to the nearest five."""
        return rounded(sum(_LEVELS[level] for level in self.levels) + self.questions * _QUESTION)


def rounded(minutes: float) -> int:
    """Minutes as they are told: beyond ten, to the nearest five, for it is an estimate."""
    return max(1, round(minutes)) if minutes < 10 else 5 * round(minutes / 5)


def measure(notebook: dict[str, Any]) -> Reading:
    """Take a notebook apart."""
    found = Reading()
    section, depth = "", 0  # the section of level 2; the level of the heading that deepens, or 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for level, title, text in _pieces(source):
                if level:
                    if depth and level <= depth:
                        depth = 0
                    if title.startswith(DEEPER):
                        depth = depth or level
                    if level <= 2:
                        section = title
                    if match := _LEVEL.match(title):
                        found.levels.append(match[1])
                _count_text(_part(found, section, depth), f"{title}\n{text}")
        else:
            html = "".join("".join(o.get("data", {}).get("text/html", ""))
                           for o in cell.get("outputs", []))  # fmt: skip
            part = _part(found, section, depth)
            part.tables += html.count("<table")
            if not _HIDDEN & set(cell["metadata"].get("tags", [])):
                part.lines += sum(bool(line.strip()) for line in source.splitlines())
            if re.search(r"\bquiz\(", source):
                found.questions += html.count('role="group"')
    return found


def _part(found: Reading, section: str, depth: int) -> Part:
    if section == EXERCISES:
        return Part()  # counted by levels
    return found.deeper if depth else found.path


def _pieces(source: str) -> Iterator[tuple[int, str, str]]:
    """(level of the heading or 0, its text, what follows) in order; fences hold no headings."""
    text = _FENCE.sub(lambda m: re.sub(r"^#", " #", m.group(), flags=re.MULTILINE), source)
    level, title, start = 0, "", 0
    for heading in _HEADING.finditer(text):
        yield level, title, text[start : heading.start()]
        level, title, start = len(heading[1]), heading[2].strip(), heading.end()
    yield level, title, text[start:]


def _count_text(part: Part, text: str) -> None:
    text = _FOLD.sub("", text)
    for fence in _FENCE.findall(text):
        part.lines += max(0, len(fence.splitlines()) - 2)
    text = _FENCE.sub("", text)
    part.formulas += len(_FORMULAS.findall(text))
    text = _INLINE.sub("x", _FORMULAS.sub("", text))
    part.tables += len(_ROWS.findall(text))
    part.figures += len(_CAPTION.findall(text))
    part.words += len(_LINK.sub(r"\1", _ROWS.sub("", text)).split())
