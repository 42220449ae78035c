"""Where the processor time of a run of the tests went, by chapter and by room.

``tests/processor_time.py`` writes each test's share; here it is added up and laid beside the
budget that CONTRIBUTING states.  Only the standard library is needed.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Processor seconds that the tests of a chapter may take beside its notebook, and that a notebook
#: and all that belongs to no chapter may take, on a machine whose yardstick is the reference.
CHAPTER, NOTEBOOK, ONCE = 25, 100, 250
#: Columns of the table; a test belongs to the first whose folder it is in.
ROOMS = ("contract", "exercises", "pages", "own")
_ONCE = "once"


@dataclass(frozen=True)
class Times:
    """Processor seconds of some tests, and how slow the machine was.

    Attributes:
        tests: node id -> seconds.
        slowness: the yardstick's time over that of the reference; budgets grow with it.
    """

    tests: dict[str, float]
    slowness: float

    @classmethod
    def read(cls, files: Iterable[Path]) -> Times:
        """The times in some files that the plugin wrote, as one."""
        tests: dict[str, float] = {}
        yardsticks: list[float] = []
        for file in files:
            if file.exists():
                stored = json.loads(file.read_text(encoding="utf-8"))
                tests |= stored["tests"]
                yardsticks += stored["slowness"]
        return cls(tests, sum(yardsticks) / len(yardsticks) if yardsticks else 1.0)


def written(book: Path) -> list[str]:
    """The chapters that have a notebook, as ``category/mechanism``."""
    found = (p for p in book.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    return sorted(p.relative_to(book).with_suffix("").as_posix() for p in found)


def pages(html: Path, seconds: float) -> dict[str, float]:
    """What building each page took, as rows of tests: a page pays for what it is long."""
    sizes = {p.relative_to(html).as_posix(): p.stat().st_size for p in html.rglob("*.html")}
    total = sum(sizes.values())
    return {f"tests/book/build::{name}": seconds * n / total for name, n in sizes.items()}


def room_of(node: str) -> str:
    """The room that a test belongs to."""
    folder = node.split("/")[1] if node.startswith("tests/") else ""
    if node.split("::")[0].endswith(".ipynb"):
        return "notebook"
    return {"book": "pages"}.get(folder, folder if folder in ROOMS else "own")


def chapter_of(node: str, chapters: Sequence[str]) -> str:
    """The chapter whose name stands in a test's id, or ``once``.

    In the unit room a bare name may be that of a task or a tool; there a chapter's whole path
    stands in the brackets of the tests of its benchmark and its experiments.
    """
    if node.startswith("tests/unit/"):
        own = [c for c in chapters if re.search(rf"\[{c}(?![a-z_])", node)]
        return own[0] if own else _ONCE
    found = [c for c in chapters if re.search(rf"\b{c}\b", node)]
    stems = [c for c in chapters if re.search(rf"(?<![a-z]){c.rsplit('/', 1)[-1]}", node)]
    return max(found or stems, key=len, default=_ONCE)


def by_chapter(times: Times, chapters: Sequence[str]) -> dict[str, dict[str, float]]:
    """Chapter, or ``once`` -> room -> processor seconds."""
    table: dict[str, dict[str, float]] = {c: defaultdict(float) for c in (*chapters, _ONCE)}
    for node, seconds in times.tests.items():
        table[chapter_of(node, chapters)][room_of(node)] += seconds
    return table


def lines(times: Times, chapters: Sequence[str], steps: float = 0.0) -> list[str]:
    """The table as text, with what is over its budget named.

    Args:
        times: of the tests and the notebooks.
        chapters: those that were tested.
        steps: processor seconds of the steps that are no tests, such as building the book.
    """
    table = by_chapter(times, chapters)
    head = "".join(f"{room:>11}" for room in (*ROOMS, "together", "notebook"))
    found = [f"  {'processor seconds':34}{head}"]
    for name, rooms in table.items():
        shares = [rooms.get(room, 0.0) for room in ROOMS]
        together = sum(shares) + (steps if name == _ONCE else 0.0)
        notebook = rooms.get("notebook", 0.0)
        allowed = (ONCE if name == _ONCE else CHAPTER) * times.slowness
        over = [f"over {allowed:.0f}"] if together > allowed else []
        if notebook > NOTEBOOK * times.slowness:
            over.append(f"notebook over {NOTEBOOK * times.slowness:.0f}")
        cells = "".join(f"{value:11.1f}" for value in (*shares, together, notebook))
        found.append(f"  {name:34}{cells}  {', '.join(over)}".rstrip())
    found.append(
        f"  budgets: {CHAPTER} a chapter and {NOTEBOOK} its notebook, {ONCE} once, "
        f"times {times.slowness:.2f}, the slowness of this machine"
    )
    return found


def slowest(times: Times, count: int = 15) -> list[str]:
    """The tests that took most, a line each."""
    order = sorted(times.tests, key=lambda node: -times.tests[node])[:count]
    return [f"  {times.tests[node]:7.1f}  {node}" for node in order]
