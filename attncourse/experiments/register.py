"""Find the experiments of a mechanism by its chapter's path."""

from __future__ import annotations

import importlib
from types import ModuleType

from attncourse.catalog import CHAPTERS_WRITTEN
from attncourse.experiments.base import Experiment

#: Pages that open a wing and compare its mechanisms -> where their experiments are.
WINGS = {"channel/index": "attncourse.experiments.ladder"}
#: Chapters with experiments that present no mechanism, so without an identity card.
EXTRA_CHAPTERS = ("closing/choosing", "closing/cost")


def experiments_of(chapter: str) -> tuple[Experiment, ...]:
    """The experiments of ``category/mechanism`` that the chapter is about, or of a wing's page.

    Raises:
        KeyError: if the course has no such chapter; the message lists what exists.
    """
    return _module(chapter).EXPERIMENTS


def every_experiment_of(chapter: str) -> tuple[Experiment, ...]:
    """The same and the large ones, which only ``--full`` runs: they want a GPU.

    Raises:
        KeyError: as above.
    """
    module = _module(chapter)
    return (*module.EXPERIMENTS, *getattr(module, "LARGE", ()))


def all_experiments(*, large: bool = False) -> dict[str, tuple[Experiment, ...]]:
    """Chapter path -> experiments, in the order of the course; with the large ones or without."""
    find = every_experiment_of if large else experiments_of
    return {chapter: find(chapter) for chapter in CHAPTERS_WRITTEN}


def _module(chapter: str) -> ModuleType:
    every = (*CHAPTERS_WRITTEN, *EXTRA_CHAPTERS, *WINGS)
    if chapter not in every:
        known = ", ".join(every)
        raise KeyError(f"no experiments for {chapter!r}; the course has: {known}")
    own = f"attncourse.experiments.{chapter.replace('/', '.')}"
    return importlib.import_module(WINGS.get(chapter, own))
