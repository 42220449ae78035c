"""What a chapter promises, as numbers: the worst deviation found beside the bound it must keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from attncourse.views.fragment import Fragment, escape


class BrokenPromise(AssertionError):
    """A deviation beyond its bound."""


def promises(
    *rows: tuple[str, Any, float], caption: str = "What was promised, and how far it was off"
) -> Fragment:
    """A small table of promises, each with the worst deviation found and its bound.

    The text form names promises and bounds alone, and the HTML form marks each deviation with the
    class ``ac-worst``, so that a comparison of two runs can leave rounding errors out.

    Args:
        rows: (what is promised, deviations, bound).  The deviations are a number, or an array or
            tensor of any shape whose largest magnitude counts; 0 is a bound for what is exact.
        caption: what the table shows.

    Raises:
        BrokenPromise: if a deviation is beyond its bound or not a number; it names the promise.
        ValueError: for no rows, an empty array or a bound that is negative or not finite.

    Examples:
        >>> weights = np.array([[0.25, 0.75], [0.5, 0.5]])
        >>> print(promises(("rows sum to one", weights.sum(1) - 1, 1e-12)))
        What was promised, and how far it was off
        rows sum to one: within 1e-12
    """
    if not rows:
        raise ValueError("promises() got no rows: give (what is promised, deviations, bound)")
    body, lines, broken = "", [caption], []
    for promise, deviations, bound in rows:
        worst = _worst(promise, deviations)
        if not (math.isfinite(bound) and bound >= 0):
            raise ValueError(f"the bound of {promise!r} is {bound}: give a number of at least 0")
        if not worst <= bound:
            broken.append(f"{promise}: off by {_short(worst)}, bound {_short(bound)}")
        found = f'<td class="ac-worst">{_short(worst)}</td>'
        body += f'<tr><th scope="row">{escape(promise)}</th>{found}<td>{_short(bound)}</td></tr>'
        lines.append(f"{promise}: {'exact' if bound == 0 else f'within {_short(bound)}'}")
    if broken:
        raise BrokenPromise("broken promise: " + "; ".join(broken))
    head = "".join(f'<th scope="col">{name}</th>' for name in ("promise", "worst found", "bound"))
    html = (
        f'<div class="ac ac-scroll"><table class="ac-table ac-promises">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
    return Fragment(html, "\n".join(lines))


def _worst(promise: str, deviations: Any) -> float:
    """The largest magnitude; not a number if any of them is none."""
    if hasattr(deviations, "detach"):
        deviations = deviations.detach().cpu().double().numpy()
    values = np.abs(np.asarray(deviations, dtype=np.float64))
    if values.size == 0:
        raise ValueError(f"{promise!r} was tried on nothing: give at least one deviation")
    return float(values.max())


def _short(value: float) -> str:
    """Two digits: 0, 12, 0.034, 2.2e-16, nan."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    if 1e-3 <= value < 1e4:
        return f"{value:.2g}" if value < 100 else f"{value:.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
