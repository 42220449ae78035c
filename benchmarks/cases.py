"""All cases, in the order of the course; a card without a case fails a test."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from attncourse.catalog import CHAPTERS_WRITTEN
from benchmarks.case import Case

CASES: tuple[Case, ...] = tuple(
    case
    for chapter in CHAPTERS_WRITTEN
    if find_spec(f"benchmarks.{chapter.replace('/', '.')}")
    for case in import_module(f"benchmarks.{chapter.replace('/', '.')}").CASES
)
