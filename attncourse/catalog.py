"""Every mechanism's identity card, in the order of the course.

A mechanism belongs to the catalogue as soon as its module stands where the plan says: the
catalogue finds it, and nothing else has to name it.  A module states one ``CARD``, or several
``CARDS`` where its chapter treats several mechanisms, the one that gives the chapter its name
first.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from attncourse.attention import CATEGORIES, Card
from attncourse.closed_forms import closed_forms
from attncourse.plan import CHAPTERS


def _cards_in(module: ModuleType) -> tuple[Card, ...]:
    return getattr(module, "CARDS", None) or (module.CARD,)


CARDS: tuple[Card, ...] = tuple(
    card
    for c in CHAPTERS
    if c.category in CATEGORIES and find_spec(f"attncourse.{c.category}.{c.stem}")
    for card in _cards_in(import_module(f"attncourse.{c.category}.{c.stem}"))
)
#: Paths of the chapters that treat them.
CHAPTERS_WRITTEN: tuple[str, ...] = tuple(dict.fromkeys(card.chapter for card in CARDS))


def find(name: str) -> Card:
    """Return the card whose stem or label is ``name``; of a chapter's path, the first.

    Raises:
        KeyError: if there is none; the message lists what exists.
    """
    for card in CARDS:
        if name in (card.stem, card.label):
            return card
    known = ", ".join(card.label for card in CARDS)
    raise KeyError(f"no mechanism is called {name!r}; the course has: {known}")


def cards_of(chapter: str) -> tuple[Card, ...]:
    """The cards of all mechanisms of a chapter, named by its path or its stem.

    Raises:
        KeyError: if it has none.
    """
    path = find(chapter).chapter
    return tuple(card for card in CARDS if card.chapter == path)


def as_records() -> list[dict[str, object]]:
    """The cards as plain data, for pages that are built without torch."""
    return [
        {
            "stem": card.stem,
            "title": card.title,
            "category": card.category,
            "question": card.question,
            "chapter": card.chapter,
            "leads": card.leads,
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
