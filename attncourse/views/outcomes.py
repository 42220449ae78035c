"""Recorded runs as a table with verdicts, and as dots with intervals.

Both take what ``Results.compare`` gives.  They show an interval where there is one, and the seeds
that learned where there are two clusters instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from matplotlib.figure import Figure

from attncourse.views.figures import seed_dots
from attncourse.views.fragment import Fragment, unsigned_zero
from attncourse.views.table import table

#: Of intervals that each cover 95 %, this share leaves zero out where nothing differs.
_BY_CHANCE = 0.05


class Outcome(Protocol):
    """A comparison; its rows have ``name``, ``role``, ``scores``, ``summary`` and ``gain``."""

    @property
    def rows(self) -> Sequence[Any]:
        """One for each network."""
        ...

    @property
    def against(self) -> str:
        """The network that the others are compared with."""
        ...

    @property
    def metric(self) -> str:
        """What the score is called."""
        ...

    @property
    def title(self) -> str:
        """Data and budget."""
        ...

    @property
    def scale(self) -> Any:
        """Bounds, and the size that matters."""
        ...

    @property
    def percent(self) -> bool:
        """Whether numbers are shown in per cent."""
        ...

    @property
    def comparisons(self) -> int:
        """How many differences are judged."""
        ...

    @property
    def over(self) -> str:
        """What the intervals cover."""
        ...


def outcome_table(
    groups: Outcome | Mapping[str, Outcome],
    *,
    caption: str = "",
    strong: Sequence[str] | None = None,
    kind: str = "network",
) -> Fragment:
    """Means, intervals, differences and verdicts, with what is needed to judge them.

    Args:
        groups: one comparison, or heading -> comparison.
        caption: a sentence before the one that says how the numbers were made.
        strong: names of rows to set in bold; by default the mechanisms.
        kind: what a row is.

    Raises:
        ValueError: for a heading that is a key, such as ``fashion_mnist``, and no words.
    """
    named = groups if isinstance(groups, Mapping) else {groups.title: groups}
    rows = {_heading(name, found): _rows(found) for name, found in named.items()}
    if strong is None:
        strong = [r.name for found in named.values() for r in found.rows if r.role == "mechanism"]
    against = list(dict.fromkeys(found.against for found in named.values()))
    first = f"less {against[0]}" if len(against) == 1 else "less the one without a difference"
    said = f"{caption} {_how(list(named.values()))}".strip()
    return table(
        [kind, "mean", "95 % interval", first, "effect"], rows, caption=said, strong=strong
    )


def outcome_dots(
    found: Outcome,
    *,
    label: str | None = None,
    references: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Every seed a dot; its interval a bar, or the number of seeds that learned.

    Args:
        found: the comparison.
        label: what the numbers are, by default the score's name.
        references: text -> position of a dashed line.
        limits: ends of the axis.
    """
    clustered = {
        r.name: r.summary.count.replace(" seeds in the", " in the")  # where room is little
        for r in found.rows
        if r.summary.two_clusters
    }
    return seed_dots(
        {r.name: list(r.scores.values()) for r in found.rows},
        {r.name: r.role for r in found.rows},
        {r.name: (r.summary.low, r.summary.high) for r in found.rows if r.name not in clustered},
        label=label or found.metric,
        references=references,
        limits=limits,
        notes=clustered,
        percent=found.scale.bounds[1] == 1,
    )


def _heading(name: str, found: Outcome) -> str:
    if re.match(r"[a-z0-9]+(?:_[a-z0-9]+)+(?:\W|$)", name):
        raise ValueError(f"the heading {name!r} begins with a key: say it in words")
    size = found.scale.matters
    matters = "" if size is None else f"; what matters: {_size(size, found.percent)}"
    return f"{name}; {found.over}{matters}"


def _rows(found: Outcome) -> list[list[str]]:
    rows, counted = [], any(row.summary.two_clusters for row in found.rows)
    for row in found.rows:
        s, gain = row.summary, row.gain
        ends = f"{_number(s.low, found.percent)} to {_number(s.high, found.percent)}"
        line = [row.name, _number(s.mean, found.percent), ends]
        if s.two_clusters:
            line[1:] = [f"from {ends}", s.count]
        elif counted and s.learned is not None:
            line[2] += f"; {s.count}"
        if gain is None:
            line += ["", ""]
        elif gain.two_clusters:
            line += [gain.count, gain.verdict]
        else:
            low, high = (_gain(end, found.percent) for end in (gain.low, gain.high))
            line += [f"{_gain(gain.mean, found.percent)}, {low} to {high}", gain.verdict]
        rows.append(line)
    return rows


def _how(found: Sequence[Outcome]) -> str:
    count = sum(f.comparisons for f in found)
    points = " in points," if all(f.percent for f in found) else ""
    several = "comparison" if count == 1 else "comparisons"
    chance = 100 * (1 - (1 - _BY_CHANCE) ** count)
    return (
        f"Differences are paired seed by seed,{points} with their 95 % interval. Clear: all of it "
        f"is beyond the size that matters; clearly small: all of it is within. {count} {several}: "
        f"where nothing differs, chance alone puts zero outside one of the intervals or more in "
        f"up to {chance:.0f} % of such tables."
    )


def _size(value: float, percent: bool) -> str:
    if not percent:
        return f"{value:g}"
    return "1 point" if value == 0.01 else f"{100 * value:g} points"


def _number(value: float, percent: bool) -> str:
    shown = f"{value:.1%}" if percent else f"{value:.3f}"
    return unsigned_zero(shown)


def _gain(value: float, percent: bool) -> str:
    shown = f"{100 * value:+.1f}" if percent else f"{value:+.3f}"
    return unsigned_zero(shown)
