"""Recorded runs: a JSON file a mechanism, and the statistics that may be read off it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attncourse.experiments.comparisons import Comparison, compare
from attncourse.experiments.items import units_in, unpacked
from attncourse.experiments.scores import Score
from attncourse.experiments.summaries import Scale, SeedScores, Summary, summarise

if TYPE_CHECKING:
    from attncourse.experiments.base import Experiment


def published(chapter: str) -> Results:
    """The recorded runs that ship with the course: beside the package, or in the checkout.

    Raises:
        FileNotFoundError: if this chapter has none; the message says how to record them.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "results", package.parent / "book" / "results"):
        if (folder / f"{chapter}.json").exists():
            found = Results.load(folder / f"{chapter}.json", chapter)
            found.read_by(_experiments_of(chapter))
            return found
    raise FileNotFoundError(
        f"no recorded runs of {chapter}: make them with  python -m attncourse run {chapter}"
    )


@dataclass
class Results:
    """The recorded runs of one mechanism.

    Attributes:
        chapter: path such as ``channel/squeeze_excitation``.
        experiments: name -> {"question", "data", "budget", "test_sets", "runs"}.
        scales: name -> how the experiment's numbers are read, where the code has it.
        roles: name -> variant -> role.
    """

    chapter: str
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    roles: dict[str, dict[str, str]] = field(default_factory=dict)

    def read_by(self, experiments: Sequence[Experiment]) -> None:
        """Take bounds, sizes that matter and roles from the experiments themselves."""
        for experiment in experiments:
            self.scales[experiment.name] = scale_of(experiment)
            self.roles[experiment.name] = {v.name: v.role for v in experiment.variants}

    @classmethod
    def load(cls, path: Path, chapter: str) -> Results:
        """Read ``path``, or start empty if it is not there.

        Raises:
            ValueError: if the file is not a results file of this chapter.
        """
        if not path.exists():
            return cls(chapter)
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            found = cls(stored["chapter"], stored["experiments"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is not a results file ({error!r}): move it away and run again"
            ) from error
        if found.chapter != chapter:
            raise ValueError(f"{path} holds results of {found.chapter}, not of {chapter}")
        return found

    def save(self, path: Path) -> None:
        """Write atomically, with each variant's summary beside its runs."""
        for name, entry in self.experiments.items():
            if name not in self.scales and "summary" in entry:
                continue  # recorded by experiments that are not at hand: nothing of it has changed
            entry["summary"] = {}
            for variant in self.variants(name):
                values = self.values(name, variant)
                if len(values) > 1:
                    entry["summary"][variant] = as_record(summarise(values))
        text = _as_json({"chapter": self.chapter, "experiments": self.experiments})
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            temporary.write_text(text + "\n", encoding="utf-8", newline="\n")
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def values(self, experiment: str, variant: str) -> SeedScores:
        """Seed -> recorded score, with the test items where they are recorded.

        Raises:
            KeyError: if nothing was recorded under these names; the message says what was.
        """
        entry = self._entry(experiment)
        runs = [run for run in entry["runs"] if run["variant"] == variant]
        if not runs:
            known = ", ".join(self.variants(experiment)) or "nothing"
            raise KeyError(f"no runs of variant {variant!r} in {experiment!r}; recorded: {known}")
        scores = {run["seed"]: run["score"] for run in runs}
        scale = self.scales.get(experiment, Scale())
        return SeedScores(scores, scale, *_items_of(entry, runs))

    def compare(
        self,
        experiment: str,
        against: str | None = None,
        variants: Sequence[str] | None = None,
        seeds: Collection[int] | None = None,
    ) -> Comparison:
        """Every variant with its interval, and its difference from one of them with a verdict.

        Args:
            experiment: its name.
            against: the variant that the others are compared with; by default the first.
            variants: which to take, in this order; by default all that are recorded.
            seeds: which to take, such as ``range(10, 20)`` for the fresh ones after a first look
                at ten; by default all.

        Raises:
            KeyError: if nothing was recorded under one of these names.
        """
        names = list(variants or self.variants(experiment))

        def scores(name: str) -> SeedScores:
            found = self.values(experiment, name)
            return found if seeds is None else found.only(seeds)

        base = against or names[0]
        entry = self._entry(experiment)
        stored = {run["variant"]: run["role"] for run in entry["runs"]}
        return compare(
            {name: scores(name) for name in names},
            against=base,
            base=scores(base),
            roles=stored | self.roles.get(experiment, {}),
            metric=entry["metric"],
            title=f"{entry['data']}, {entry['budget']['steps']:,} steps",
        )

    def _entry(self, experiment: str) -> dict[str, Any]:
        if experiment not in self.experiments:
            known = ", ".join(self.experiments) or "nothing"
            raise KeyError(f"no runs of {experiment!r} in {self.chapter}; recorded: {known}")
        return self.experiments[experiment]

    def variants(self, experiment: str) -> list[str]:
        """Names of the recorded variants, in order."""
        return list(dict.fromkeys(run["variant"] for run in self._entry(experiment)["runs"]))

    def devices(self, experiment: str) -> list[str]:
        """Where the runs were made."""
        return sorted({run["device"] for run in self._entry(experiment)["runs"]})


def scale_of(experiment: Experiment) -> Scale:
    """How the numbers of an experiment are read."""
    bounds = experiment.score.bounds if isinstance(experiment.score, Score) else (None, None)
    return Scale(bounds, experiment.matters, experiment.learned)


def as_record(summary: Summary) -> dict[str, Any]:
    """A summary as the results file has it, for readers without this package."""
    found: dict[str, Any] = {"mean": summary.mean, "low": summary.low, "high": summary.high}
    found |= {"seeds": summary.seeds, "over": summary.over}
    return found | ({"learned": summary.learned} if summary.learned is not None else {})


def _experiments_of(chapter: str) -> Sequence[Experiment]:
    from attncourse.experiments.register import every_experiment_of

    try:
        return every_experiment_of(chapter)
    except KeyError:
        return ()


def _items_of(
    entry: dict[str, Any], runs: Sequence[dict[str, Any]]
) -> tuple[dict[int, np.ndarray], np.ndarray | None, str]:
    """Items of the runs, their units, and the units' name; nothing if the test sets differ."""
    kept = [run for run in runs if "items" in run]
    names = {(run["items"]["test_set"], run["items"]["count"]) for run in kept}
    if len(names) != 1:
        return {}, None, ""
    ((name, count),) = names
    test_set = entry["test_sets"][name]
    items = {run["seed"]: unpacked(run["items"], count, run["score"]) for run in kept}
    return items, units_in(test_set, count), test_set.get("units", "test items")


def _as_json(stored: dict[str, Any]) -> str:
    """Readable JSON with each run on one line, so that a diff shows runs and files stay small."""
    runs: list[str] = []

    def named(entry: dict[str, Any]) -> dict[str, Any]:
        first = len(runs)
        runs.extend(json.dumps(run, ensure_ascii=False) for run in entry["runs"])
        return {**entry, "runs": [f"run {n}" for n in range(first, len(runs))]}

    outline = stored | {"experiments": {n: named(e) for n, e in stored["experiments"].items()}}
    text = json.dumps(outline, indent=1, ensure_ascii=False)
    return re.sub(r'^    "run (\d+)"', lambda found: f"    {runs[int(found[1])]}", text, flags=re.M)
