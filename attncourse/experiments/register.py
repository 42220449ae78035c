"""Find the experiments of a mechanism by its chapter's path."""

from __future__ import annotations

import importlib

from attncourse.catalog import CARDS
from attncourse.experiments.base import Experiment


def experiments_of(chapter: str) -> tuple[Experiment, ...]:
    """The experiments of ``category/mechanism``.

    Raises:
        KeyError: if the course has no such chapter; the message lists what exists.
    """
    known = [card.chapter for card in CARDS]
    if chapter not in known:
        raise KeyError(f"no experiments for {chapter!r}; the course has: {', '.join(known)}")
    module = importlib.import_module(f"attncourse.experiments.{chapter.replace('/', '.')}")
    return module.EXPERIMENTS


def all_experiments() -> dict[str, tuple[Experiment, ...]]:
    """Chapter path -> experiments, in the order of the course."""
    return {card.chapter: experiments_of(card.chapter) for card in CARDS}
