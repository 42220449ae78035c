"""Every mechanism's identity card, in the order of the course."""

from __future__ import annotations

from attncourse.attention import Card
from attncourse.channel import squeeze_excitation

CARDS: tuple[Card, ...] = (squeeze_excitation.CARD,)


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
            "weights": card.weights,
            "parameters": card.parameters_formula,
            "macs": card.macs_formula,
            "memory": card.memory,
            "drop_in": card.drop_in,
        }
        for card in CARDS
    ]
