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
#: each displayed formula, each line of code that the page shows and each line that it prints, each
#: table and each of its rows, each figure, and each live machine, which asks to be tried.
_WORDS, _FORMULA, _LINE, _PRINTED, _FIGURE, _MACHINE = 150, 30.0, 3.0, 1.5, 20.0, 60.0
_TABLE, _ROW = 10.0, 2.5
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
#: A call that shows a live machine.
LIVE = re.compile(r"^(?:\w+\.)*(?:\w+_machine|explore_warp)\($", re.MULTILINE)
_LEVEL = re.compile(r"^Exercise \d+: .*\(level ([123])\)")


@dataclass
class Part:
    """What a part of a chapter holds; cells that prove promises are counted, and take no time
    beside that of their tables."""

    words: int = 0
    formulas: int = 0
    lines: int = 0
    printed: int = 0
    tables: int = 0
    rows: int = 0
    figures: int = 0
    machines: int = 0
    promises: int = 0

    @property
    def minutes(self) -> float:
        """Minutes to read it."""
        seconds = self.formulas * _FORMULA + self.lines * _LINE + self.printed * _PRINTED
        seconds += self.tables * _TABLE + self.rows * _ROW
        seconds += self.figures * _FIGURE + self.machines * _MACHINE
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
            outputs = cell.get("outputs", [])
            html = "".join("".join(o.get("data", {}).get("text/html", "")) for o in outputs)
            part = _part(found, section, depth)
            part.tables += html.count("<table")
            part.rows += html.count("<tr")
            part.printed += sum(_printed(output) for output in outputs)
            part.machines += len(LIVE.findall(source))
            part.promises += "views.promises(" in source
            if not _HIDDEN & set(cell["metadata"].get("tags", [])):
                part.lines += sum(bool(line.strip()) for line in source.splitlines())
            if re.search(r"\bquiz\(", source):
                found.questions += html.count('role="group"')
    return found


def _printed(output: dict[str, Any]) -> int:
    """Lines of an output that the page shows as text."""
    shown = output.get("data", {})
    if any(kind.startswith("image/") or kind == "text/html" for kind in shown):
        return 0
    text = "".join(output.get("text", "") or shown.get("text/plain", ""))
    return sum(bool(line.strip()) for line in text.splitlines())


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
    tables = _ROWS.findall(text)
    part.tables += len(tables)
    part.rows += sum(table.count("\n|") for table in tables)  # the ruler counts, the first does not
    part.figures += len(_CAPTION.findall(text))
    part.words += len(_LINK.sub(r"\1", _ROWS.sub("", text)).split())
