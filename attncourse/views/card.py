"""The identity card at the head of every chapter."""

from __future__ import annotations

from attncourse.attention import Card
from attncourse.views.fragment import Fragment, escape

_MATHS = ' class="ac-eq"'


def identity_card(*cards: Card) -> Fragment:
    """The mechanisms of a chapter at a glance, each on a card of its own.

    Raises:
        ValueError: for no card.
    """
    if not cards:
        raise ValueError("identity_card() got no card: give find(stem) or *cards_of(stem)")
    drawn = [_one(card) for card in cards]
    return Fragment("".join(html for html, _ in drawn), "\n\n".join(text for _, text in drawn))


def _one(card: Card) -> tuple[str, str]:
    """A card as HTML and as text: what g decides, what f does, whence, and at what cost."""
    facts = (
        ("g: what it decides", card.decides, _MATHS),
        ("f: what it does with it", card.applies, _MATHS),
        ("from", f"{card.authors} · {card.venue} {card.year}", ""),
        ("parameters", card.parameters_formula, _MATHS),
        ("multiply-adds", card.macs_formula, _MATHS),
        ("extra memory", card.memory, ""),
    )
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd{style}>{escape(value)}</dd></div>"
        for name, value, style in facts
    )
    path = f"attncourse.{card.category}.{card.module.__name__}"
    tag = f"{card.question} · {card.category.replace('_', ' & ')} attention"
    html = (
        f'<section class="ac ac-card" aria-label="Identity card of {escape(card.title)}">'
        f'<div class="ac-top">'
        f'<b>{escape(card.title)}</b><span class="ac-tag">{escape(tag)}</span></div>'
        f'<dl>{cells}</dl><div class="ac-soft"><code>{escape(path)}</code> · '
        f"weights g(x): <code>{escape(card.weights)}</code></div></section>"
    )
    lines = [f"{card.title} ({tag})", *(f"{name}: {value}" for name, value, _ in facts), path]
    return html, "\n".join(lines)
