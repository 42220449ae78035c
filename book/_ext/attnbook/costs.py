"""``{benchmarks}``: what was measured, drawn over what the derivation predicts."""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from attnbook.plan import BOOK

_WIDE, _HIGH, _EDGE, _NAMES = 340, 190, 34, 58
_CLASSES = {"ours": "ac-mech", "textbook": "ac-plain"}


def milliseconds(seconds: float) -> str:
    """Three figures are all that a median of a few runs carries."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def megabytes(count: float) -> str:
    return f"{count / 2**20:.3g}" if count < 2**30 else f"{count / 2**20:,.0f}"


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
        return _EDGE + 8 + across * (_WIDE - 2 * _EDGE - _NAMES), _HIGH - _EDGE - up * (
            _HIGH - 2 * _EDGE
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
    first, last = row["sizes"][0]["forms"], row["sizes"][-1]["forms"]
    said = "; ".join(
        f"{form} from {_unit(first[form][what], what)} to {_unit(last[form][what], what)}"
        for form in first
    )
    ticks = "".join(
        f'<text x="{at(math.log10(s["grows"]), low)[0]:.1f}" y="{_HIGH - 16}" '
        f'text-anchor="middle">{s["grows"]:,.0f}</text>'
        for s in row["sizes"]
    )
    return (
        f'<svg class="ac-cost" viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        f'aria-label="{unit.capitalize()} against size, both logarithmic: {escape(said)}.">'
        f'<path class="ac-axis" d="M{_EDGE} {_EDGE - 14}V{_HIGH - _EDGE + 4}H{_WIDE - 8}"/>'
        f'<text x="{_EDGE}" y="12">{unit}</text>{ticks}{drawn}</svg>'
    )


def _unit(value: float, what: str) -> str:
    return f"{milliseconds(value)} ms" if what == "seconds" else f"{megabytes(value)} MB"


def row_html(row: dict[str, Any], href: str) -> str:
    """One case: two charts and the numbers behind them."""
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
    gain = row.get("compiled")
    compiled = (
        f" Under <code>torch.compile</code> a step at {escape(gain['label'])} is "
        f"{gain['gain']:.2f} times as fast."
        if gain
        else ""
    )
    return (
        f'<div class="ac-cost-row"><p><a href="{escape(href)}">{escape(row["name"])}</a>. '
        f"Slope of the time between the two larger sizes: {escape(slopes)}.{compiled}</p>"
        f'<div class="ac-cost-charts">{chart(row, "seconds")}{chart(row, "bytes")}</div>'
        '<details><summary>The numbers</summary><div class="pst-scrollable-table-container">'
        '<table class="table"><thead><tr><th scope="col">input</th><th scope="col">form</th>'
        '<th scope="col">time, ms</th><th scope="col">ratio to ours</th>'
        '<th scope="col">memory, MB</th><th scope="col">ratio to ours</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></details></div>"
    )


class Benchmarks(SphinxDirective):
    """All rows of a table that ``python -m benchmarks`` wrote."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        env = self.env
        path = Path(env.srcdir) / self.arguments[0]
        env.note_dependency(str(path))
        if not path.exists():
            return [nodes.paragraph(text="Nothing was measured on such a machine yet.")]
        table = json.loads(path.read_text(encoding="utf-8"))
        machine, roof = table["machine"], table["roofline"]
        taken = (
            f"Measured on {machine['device']}, {machine['system']}, Python {machine['python']}, "
            f"torch {machine['torch']}. In the same run the machine copied "
            f"{roof['bytes_per_second'] / 1e9:.1f} GB and multiplied "
            f"{roof['multiply_adds_per_second'] / 1e9:.1f} billion pairs a second."
        )
        html = "".join(
            row_html(row, env.app.builder.get_relative_uri(env.docname, f"{BOOK}/{row['chapter']}"))
            for row in table["rows"]
        )
        return [nodes.paragraph(text=taken), nodes.raw("", html, format="html")]
