"""``{benchmarks}``: what was measured of a wing, drawn over what the derivation predicts.

The same rows stand at the end of a chapter's section on cost, and ``{distances}`` lists how far
every module is from the least that the machine could take.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from attnbook.plan import BOOK
from attnbook.plan import read as read_plan

_WIDE, _HIGH, _LEFT, _EDGE, _NAMES = 350, 190, 46, 34, 58
_CLASSES = {"ours": "ac-mech", "textbook": "ac-plain"}


def read(path: Path) -> dict[str, Any] | None:
    """A table of measurements, or ``None`` if there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def milliseconds(seconds: float) -> str:
    """Three figures are all that a median of a few runs carries."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def megabytes(count: float) -> str:
    return f"{count / 2**20:.3g}" if count < 2**30 else f"{count / 2**20:,.0f}"


def ticks(low: float, high: float) -> list[float]:
    """Two or three round numbers between ``10**low`` and ``10**high``, far apart."""
    round_ones = [
        (lead, lead * 10.0**power)
        for power in range(math.floor(low), math.ceil(high) + 1)
        for lead in (1, 2, 5)
        if low <= math.log10(lead) + power <= high
    ]
    tens = [value for lead, value in round_ones if lead == 1]
    found = tens if len(tens) > 1 else [value for _, value in round_ones]
    return found if len(found) < 4 else [found[0], found[len(found) // 2], found[-1]]


def chart(row: dict[str, Any], what: str) -> str:
    """Measured points on two logarithmic axes; the dashed line has the predicted slope."""
    points = {
        form: [(s["grows"], s["forms"][form][what]) for s in row["sizes"]]
        for form in row["sizes"][0]["forms"]
    }
    logs = {f: [(math.log10(x), math.log10(y)) for x, y in p] for f, p in points.items()}
    xs = [x for p in logs.values() for x, _ in p]
    ys = [y for p in logs.values() for _, y in p]
    left, right, low, high = min(xs), max(xs), min(ys) - 0.15, max(ys) + 0.15

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / ((right - left) or 1)
        up = (y - low) / ((high - low) or 1)
        return (
            _LEFT + 8 + across * (_WIDE - _LEFT - _EDGE - _NAMES),
            _HIGH - _EDGE - up * (_HIGH - 2 * _EDGE),
        )

    drawn = ""
    for form, pairs in logs.items():
        kind = _CLASSES.get(form, "ac-abl")
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in pairs))
        drawn += f'<polyline class="{kind}" points="{line}"/>'
        for x, y in (at(*p) for p in pairs):
            drawn += f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        if what == "seconds" and form in row["predicted"]:
            (x0, _), (x1, y1) = pairs[0], pairs[-1]
            y0 = y1 - row["predicted"][form] * (x1 - x0)
            (a, b), (c, d) = at(x0, max(y0, low)), at(x1, y1)
            drawn += f'<path class="{kind} ac-predicted" d="M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}"/>'
    lowest = float("inf")  # names stand beside the last dots, from the bottom up, none on another
    for form in sorted(logs, key=lambda f: logs[f][-1][1]):
        x, y = at(*logs[form][-1])
        lowest = min(y + 4, lowest - 13)
        kind = _CLASSES.get(form, "ac-abl")
        drawn += f'<text class="{kind}" x="{x + 9:.1f}" y="{lowest:.1f}">{escape(form)}</text>'
    unit = "time" if what == "seconds" else "memory"
    scale, short = (1e3, "ms") if what == "seconds" else (2.0**-20, "MB")
    sides = ""
    for value in ticks(low + math.log10(scale), high + math.log10(scale)):
        y = at(left, math.log10(value / scale))[1]
        sides += (
            f'<path class="ac-axis" d="M{_LEFT - 4} {y:.1f}H{_LEFT}"/>'
            f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:,.6g}</text>'
        )
    first, last = row["sizes"][0]["forms"], row["sizes"][-1]["forms"]
    said = "; ".join(
        f"{form} from {_unit(first[form][what], what)} to {_unit(last[form][what], what)}"
        for form in first
    )
    below = "".join(
        f'<text x="{at(math.log10(s["grows"]), low)[0]:.1f}" y="{_HIGH - 16}" '
        f'text-anchor="middle">{s["grows"]:,.0f}</text>'
        for s in row["sizes"]
    )
    return (
        f'<svg class="ac-cost" viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        f'aria-label="{unit.capitalize()} against {escape(row["along"])}, both logarithmic: '
        f'{escape(said)}.">'
        f'<path class="ac-axis" d="M{_LEFT} {_EDGE - 14}V{_HIGH - _EDGE + 4}H{_WIDE - 8}"/>'
        f'<text x="{_LEFT}" y="12">{unit}, {short}</text>{sides}{below}'
        f'<text x="{_WIDE - 8}" y="{_HIGH - 16}" text-anchor="end">{escape(row["along"])}</text>'
        f"{drawn}</svg>"
    )


def _unit(value: float, what: str) -> str:
    return f"{milliseconds(value)} ms" if what == "seconds" else f"{megabytes(value)} MB"


def _compiled_text(row: dict[str, Any]) -> str:
    gain = row.get("compiled")
    if not gain:
        return ""
    return (
        f" Under <code>torch.compile</code> a step at {escape(gain['label'])} is "
        f"{gain['gain']:.2f} times as fast."
    )


def _fresh_text(row: dict[str, Any]) -> str:
    """The ratios where tensors above 32 MB get fresh memory each time, if that was measured."""
    fresh, kept = row.get("fresh"), row["sizes"][-1]["forms"]
    if not fresh:
        return ""
    parts = [
        f"{escape(form)} takes {fresh[form] / fresh['ours']:.2f} times as long as ours, "
        f"not {kept[form]['seconds'] / kept['ours']['seconds']:.2f}"
        for form in kept
        if form != "ours"
    ]
    return (
        f" At {escape(row['sizes'][-1]['label'])}, where tensors above 32 MB get fresh memory "
        f"each time, {'; '.join(parts)}."
    )


def distance(row: dict[str, Any]) -> tuple[float, float, str]:
    """Seconds at the largest size, the least seconds, and which of the two bounds that is."""
    largest, roof = row["sizes"][-1], row["roofline"]
    products = largest["least"]["products"] / roof["multiply_adds_per_second"]
    moved = largest["least"]["bytes"] / roof["bytes_per_second"]
    ours = largest["forms"]["ours"]["seconds"]
    return (ours, products, "products") if products > moved else (ours, moved, "memory")


def distances_html(rows: Sequence[tuple[dict[str, Any], str]]) -> str:
    """A table of (row, address of its chapter), the nearest to its bound first."""
    found = [(distance(row), row, href) for row, href in rows]
    found.sort(key=lambda entry: entry[0][0] / entry[0][1])
    most = max(ours / least for (ours, least, _), _, _ in found)
    body = ""
    for (ours, least, bound), row, href in found:
        times = ours / least
        wide = 100 * math.log(max(times, 1)) / math.log(max(most, 2))
        body += (
            f'<tr><th scope="row"><a href="{escape(href)}">{escape(row["name"])}</a>, '
            f"{escape(row['sizes'][-1]['label'])}</th>"
            f'<td>{times:.1f}<span class="ac-cost-bar" style="--ac-wide:{wide:.0f}%"></span></td>'
            f"<td>{bound}</td><td>{milliseconds(least)}</td><td>{milliseconds(ours)}</td></tr>"
        )
    return (
        '<div class="pst-scrollable-table-container"><table class="table ac-distances"><thead><tr>'
        '<th scope="col">module, at its largest size</th><th scope="col">ours / least</th>'
        '<th scope="col">bound by</th><th scope="col">least, ms</th>'
        f'<th scope="col">ours, ms</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def row_html(row: dict[str, Any], href: str = "") -> str:
    """One case: two charts and the numbers behind them, with a link where ``href`` is given."""
    body = ""
    for size in row["sizes"]:
        ours = size["forms"]["ours"]
        for number, (form, cost) in enumerate(size["forms"].items()):
            label = (
                f'<th scope="rowgroup" rowspan="{len(size["forms"])}">{escape(size["label"])}</th>'
                if number == 0
                else ""
            )
            body += (
                f"<tr>{label}<td>{escape(form)}</td>"
                f"<td>{milliseconds(cost['seconds'])} ± {milliseconds(cost['spread'])}</td>"
                f"<td>{cost['seconds'] / ours['seconds']:.2f}</td>"
                f"<td>{megabytes(cost['bytes'])}</td>"
                f"<td>{cost['bytes'] / ours['bytes']:.2f}</td></tr>"
            )
    slopes = ", ".join(
        f"{form} {row['slopes'][form]:.2f}"
        + (f" (predicted {row['predicted'][form]:g})" if form in row["predicted"] else "")
        for form in row["slopes"]
    )
    name = escape(row["name"])
    title = f'<a href="{escape(href)}">{name}</a>' if href else f"<strong>{name}</strong>"
    return (
        f'<div class="ac-cost-row"><p>{title}. '
        f"Slope of the time between the two larger sizes: {escape(slopes)}."
        f"{_fresh_text(row)}{_compiled_text(row)}{_elsewhere_text(row)}</p>"
        f'<div class="ac-cost-charts">{chart(row, "seconds")}{chart(row, "bytes")}</div>'
        '<details><summary>The numbers</summary><div class="pst-scrollable-table-container">'
        '<table class="table"><thead><tr><th scope="col">input</th><th scope="col">form</th>'
        '<th scope="col">time, ms</th><th scope="col">ratio to ours</th>'
        '<th scope="col">memory, MB</th><th scope="col">ratio to ours</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></details></div>"
    )


def fold_html(row: dict[str, Any], href: str) -> str:
    """One case as a line that says how far the forms are apart; charts and numbers fold out."""
    largest = row["sizes"][-1]
    ours = largest["forms"]["ours"]
    apart = "; ".join(
        f"{escape(form)} {cost['seconds'] / ours['seconds']:.2f} times the time, "
        f"{cost['bytes'] / ours['bytes']:.2f} times the memory"
        for form, cost in largest["forms"].items()
        if form != "ours"
    )
    return (
        f'<details class="ac-cost-fold"><summary><span><strong>{escape(row["name"])}</strong>, '
        f"{escape(largest['label'])}: {apart}</span></summary>{row_html(row, href)}</details>"
    )


def taken_text(table: dict[str, Any]) -> str:
    """On what, and with what, a table was measured, or a row that names a machine of its own."""
    machine = table["machine"]
    return (
        f"Measured on {machine['device']}, {machine['system']}, Python {machine['python']}, "
        f"torch {machine['torch']}."
    )


def _elsewhere_text(row: dict[str, Any]) -> str:
    return f" {escape(taken_text(row))}" if "machine" in row else ""


def one_case_a_module(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the rows that repeat a module beside somebody else's."""
    return [row for row in rows if "timm" not in row["sizes"][0]["forms"]]


_COST = re.compile(r'(</section>\s*)(?=<section id="what-goes-wrong">)')


def in_chapter(body: str, table: dict[str, Any], chapter: str, href: str) -> str:
    """The chapter's ``body`` with its rows at the end of the section on cost."""
    own = [row for row in table["rows"] if row["chapter"] == chapter]
    if not own:
        return body
    rows = [row_html(row) for row in own]
    taken = "" if all("machine" in row for row in own) else f"{escape(taken_text(table))} "
    block = (
        '<div class="ac-recorded-cost"><p><strong>Recorded beside other forms.</strong> '
        f"{taken}"
        f'How to read it: <a href="{escape(href)}">Measured costs</a>.</p>'
        f"{''.join(rows)}</div>"
    )
    return _COST.sub(lambda found: block + found[1], body, count=1)


class _OfTable(SphinxDirective):
    """A directive that shows something of a table that ``python -m benchmarks`` wrote."""

    required_arguments = 1
    missing = "Nothing was measured on a GPU so far."

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / self.arguments[0]
        self.env.note_dependency(str(path))
        if (table := read(path)) is None:
            return [nodes.paragraph(text=self.missing)] if self.missing else []
        return self.shown(table)

    def address(self, row: dict[str, Any]) -> str:
        """Of the row's chapter, from the present page."""
        return self.env.app.builder.get_relative_uri(self.env.docname, f"{BOOK}/{row['chapter']}")

    def shown(self, table: dict[str, Any]) -> list[nodes.Node]:
        raise NotImplementedError


class Benchmarks(_OfTable):
    """All rows, in a section for each wing."""

    def shown(self, table: dict[str, Any]) -> list[nodes.Node]:
        found: list[nodes.Node] = [nodes.paragraph(text=taken_text(table))]
        for wing in read_plan(Path(self.env.srcdir) / self.config.attnbook_plan):
            rows = [row for row in table["rows"] if row["chapter"].startswith(f"{wing.name}/")]
            if rows:
                html = "".join(fold_html(row, self.address(row)) for row in rows)
                name = nodes.make_id(f"costs-{wing.name}")
                section = nodes.section("", nodes.title(text=wing.title), ids=[name], names=[name])
                section += nodes.raw("", html, format="html")
                found.append(section)
        return found


class Distances(_OfTable):
    """How far each module is from what the machine can do."""

    missing = ""

    def shown(self, table: dict[str, Any]) -> list[nodes.Node]:
        roof, device = table["roofline"], table["machine"]["device"]
        gigabytes, billions = (
            f"{roof[key] / 1e9:,.1f}" for key in ("bytes_per_second", "multiply_adds_per_second")
        )
        can = (
            f"In the same run the machine ({device}) copied {gigabytes} GB and multiplied "
            f"{billions} billion pairs a second, in float32."
        )
        rows = [(row, self.address(row)) for row in one_case_a_module(table["rows"])]
        return [
            nodes.paragraph(text=can),
            nodes.raw("", distances_html(rows), format="html"),
        ]
