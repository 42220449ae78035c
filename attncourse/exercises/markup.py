"""The small HTML of results, hints and quizzes.

Native elements only, no script, nothing fetched.  Text takes the page's own colour, so that it
reads in light and in dark; a word says what a colour says.
"""

from __future__ import annotations

import html
import re
from enum import Enum


class Tone(Enum):
    """Symbol and edge colour (Okabe-Ito, at least 3:1 on white and on black) of a panel."""

    GOOD = ("✓", "#009E73")
    OPEN = ("✗", "#D55E00")
    NEUTRAL = ("○", "#7F7F7F")
    HINT = ("→", "#0072B2")


def rich(text: str) -> str:
    """Escape ``text`` and set what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def punctuated(label: str) -> str:
    """A label with a colon, unless it ends in a sign of its own."""
    return label if label.endswith(("?", ")")) else f"{label}:"


def panel(
    headline: str,
    subject: str,
    paragraphs: tuple[str, ...],
    details: tuple[tuple[str, str], ...],
    tone: Tone,
) -> str:
    """A framed note: a headline in words, paragraphs, and labelled details."""
    symbol, colour = tone.value
    label = html.escape(f"{subject}: {headline.lower()}")
    lines = [
        f'<div role="group" aria-label="{label}" style="border-left:0.3em solid {colour};'
        f'padding:0.1em 0 0.1em 0.9em;margin:0.6em 0;max-width:46em">',
        f'<p style="margin:0.3em 0"><span aria-hidden="true">{symbol}</span> '
        f"<strong>{rich(headline)}</strong>: {rich(subject)}</p>",
        *(f'<p style="margin:0.3em 0">{rich(paragraph)}</p>' for paragraph in paragraphs),
        *(
            f'<p style="margin:0.2em 0"><em>{rich(punctuated(name))}</em> {rich(text)}</p>'
            for name, text in details
        ),
        "</div>",
    ]
    return "\n".join(lines)
