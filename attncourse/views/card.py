"""The identity card at the head of every chapter."""

from __future__ import annotations

from attncourse.attention import Card
from attncourse.views.fragment import Fragment, escape

_MATHS = ' class="ac-eq"'


def identity_card(card: Card) -> Fragment:
    """The mechanism at a glance: what g decides, what f does, whence, and at what cost."""
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
        f'<section class="ac ac-card" aria-label="Identity card"><div class="ac-top">'
        f'<b>{escape(card.title)}</b><span class="ac-tag">{escape(tag)}</span></div>'
        f'<dl>{cells}</dl><div class="ac-soft"><code>{escape(path)}</code> · '
        f"weights g(x): <code>{escape(card.weights)}</code></div></section>"
    )
    lines = [f"{card.title} ({tag})", *(f"{name}: {value}" for name, value, _ in facts), path]
    return Fragment(html, "\n".join(lines))
