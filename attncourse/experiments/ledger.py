"""A results file while it is being filled: in the order of one job, whichever run ends first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attncourse.experiments.base import Experiment
from attncourse.experiments.results import Results

#: What all runs of one entry have in common; if any of it changes, all runs are made again.
FRAME = ("question", "data", "task", "budget", "metric")


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Attributes:
        chapter: path of the mechanism's chapter.
        experiment: name of the experiment.
        variant: name of the variant.
        seed: the seed.
    """

    chapter: str
    experiment: str
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.chapter}, {self.experiment}: {self.variant}, seed {self.seed}"


def cells_of(chapter: str, experiments: Sequence[Experiment], seeds: Sequence[int]) -> list[Cell]:
    """Every cell of the grid, in the order in which one job runs them."""
    return [
        Cell(chapter, experiment.name, variant.name, seed)
        for experiment in experiments
        for seed in seeds
        for variant in experiment.variants
    ]


class Ledger:
    """The results of one chapter, entered run by run and written whole after each.

    Args:
        chapter: path of the mechanism's chapter.
        experiments: those that may be entered; they fix the order.
        out: the results file.
        results: what it holds, if that has been read already.
        renew: whether a recorded run without its test items is made again.

    Raises:
        ValueError: if ``out`` is not a results file of this chapter.
    """

    def __init__(
        self,
        chapter: str,
        experiments: Sequence[Experiment],
        out: Path,
        results: Results | None = None,
        *,
        renew: bool = True,
    ) -> None:
        self.results = Results.load(out, chapter) if results is None else results
        self.results.read_by(experiments)
        self.out, self.renew = out, renew
        self._experiments = {experiment.name: experiment for experiment in experiments}
        names = dict.fromkeys([*self.results.experiments, *self._experiments])
        self._place = {name: index for index, name in enumerate(names)}

    def known(self, experiment: str, variant: str, seed: int) -> dict[str, Any] | None:
        """The ``frame`` of a recorded run, the ``run`` and ``renew``; ``None`` if there is none."""
        entry = self.results.experiments.get(experiment, {})
        for run in entry.get("runs", ()):
            if (run["variant"], run["seed"]) == (variant, seed):
                return {"frame": frame_of(entry), "run": run, "renew": self.renew}
        return None

    def enter(self, experiment: str, frame: dict[str, Any], row: dict[str, Any]) -> None:
        """Put a finished run in its place, in memory; a changed frame drops the older runs.

        Args:
            experiment: its name.
            frame: what all runs of the experiment have in common.
            row: the run; its ``test_set``, if it has one, is kept once for all runs.
        """
        found = self.results.experiments
        if experiment not in found or frame_of(found[experiment]) != frame:
            found[experiment] = {**frame, "test_sets": {}, "runs": []}
        entry = found[experiment]
        row = dict(row)
        if (test_set := row.pop("test_set", None)) is not None:
            stored = {key: value for key, value in test_set.items() if key != "id"}
            entry.setdefault("test_sets", {})[test_set["id"]] = stored
        kept = [r for r in entry["runs"] if _key(r) != _key(row)]
        variants = self._experiments[experiment].variants if experiment in self._experiments else ()
        place = {variant.name: index for index, variant in enumerate(variants)}
        entry["runs"] = sorted(
            [*kept, row], key=lambda run: (place.get(run["variant"], len(place)), run["seed"])
        )
        order = sorted(found, key=lambda name: self._place.get(name, len(self._place)))
        self.results.experiments = {name: found[name] for name in order}

    def save(self) -> None:
        """Write the file, atomically."""
        self.results.save(self.out)


def frame_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What an entry's runs have in common."""
    return {key: entry.get(key) for key in FRAME}


def test_set(entry: dict[str, Any], run: dict[str, Any]) -> dict[str, Any] | None:
    """The test set of a run's items, as :meth:`Ledger.enter` takes it."""
    if "items" not in run:
        return None
    name = run["items"]["test_set"]
    return {"id": name, **entry["test_sets"][name]}


def _key(run: dict[str, Any]) -> tuple[str, int]:
    return run["variant"], run["seed"]
