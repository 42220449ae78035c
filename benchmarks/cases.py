"""All cases, in the order of the course; a card without a case fails a test."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from attncourse.catalog import CARDS
from benchmarks.case import Case

CASES: tuple[Case, ...] = tuple(
    case
    for card in CARDS
    if find_spec(f"benchmarks.{card.category}.{card.stem}")
    for case in import_module(f"benchmarks.{card.category}.{card.stem}").CASES
)
