"""Every mechanism's identity card, in the order of the course.

A mechanism belongs to the catalogue as soon as its module stands where the plan says: the
catalogue finds it, and nothing else has to name it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from attncourse.attention import CATEGORIES, Card
from attncourse.closed_forms import closed_forms
from attncourse.plan import CHAPTERS

CARDS: tuple[Card, ...] = tuple(
    import_module(f"attncourse.{c.category}.{c.stem}").CARD
    for c in CHAPTERS
    if c.category in CATEGORIES and find_spec(f"attncourse.{c.category}.{c.stem}")
)


def find(name: str) -> Card:
    """Return the card whose stem or chapter path is ``name``.

    Raises:
        KeyError: if there is none; the message lists what exists.
    """
    for card in CARDS:
        if name in (card.stem, card.chapter):
            return card
    known = ", ".join(card.chapter for card in CARDS)
    raise KeyError(f"no mechanism is called {name!r}; the course has: {known}")


def as_records() -> list[dict[str, object]]:
    """The cards as plain data, for pages that are built without torch."""
    return [
        {
            "stem": card.stem,
            "title": card.title,
            "category": card.category,
            "question": card.question,
            "chapter": card.chapter,
            "class": f"attncourse.{card.category}.{card.module.__name__}",
            "key": card.key,
            "authors": card.authors,
            "venue": card.venue,
            "year": card.year,
            "decides": card.decides,
            "applies": card.applies,
            "input": card.input,
            "weights": card.weights,
            "parameters": card.parameters_formula,
            "macs": card.macs_formula,
            "memory": card.memory,
            "growth": card.growth,
            "closed_forms": closed_forms(card),
            "drop_in": card.drop_in,
        }
        for card in CARDS
    ]
