"""Recorded runs: a JSON file a mechanism, and the statistics that may be read off it."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Mean of several seeds with its 95 % Student interval.

    Attributes:
        mean: their mean.
        low: lower end of the interval.
        high: upper end.
        seeds: how many values.
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def excludes_zero(self) -> bool:
        """For a difference: whether the interval leaves zero out."""
        return not self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.seeds} seeds)"


def published(chapter: str) -> Results:
    """The recorded runs that ship with the course: beside the package, or in the checkout.

    Raises:
        FileNotFoundError: if this chapter has none; the message says how to record them.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "results", package.parent / "book" / "results"):
        if (folder / f"{chapter}.json").exists():
            return Results.load(folder / f"{chapter}.json", chapter)
    raise FileNotFoundError(
        f"no recorded runs of {chapter}: make them with  python -m attncourse run {chapter}"
    )


def summarise(values: Sequence[float]) -> Summary:
    """Mean and 95 % interval of the mean, by Student's t.

    Raises:
        ValueError: for fewer than two values, which have no interval.
    """
    from scipy.stats import t

    count = len(values)
    if count < 2:
        raise ValueError(f"{count} value(s) have no interval: record at least 2 seeds")
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    half = float(t.ppf((1 + _LEVEL) / 2, count - 1)) * deviation / math.sqrt(count)
    return Summary(mean, mean - half, mean + half, count)


def difference(after: dict[int, float], before: dict[int, float]) -> Summary:
    """Mean difference over the seeds that both have, paired seed by seed.

    Raises:
        ValueError: if fewer than two seeds are shared.
    """
    shared = sorted(after.keys() & before.keys())
    return summarise([after[seed] - before[seed] for seed in shared])


@dataclass
class Results:
    """The recorded runs of one mechanism.

    Attributes:
        chapter: path such as ``channel/squeeze_excitation``.
        experiments: name -> {"question", "data", "budget", "runs"}.
    """

    chapter: str
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)

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
        for entry in self.experiments.values():
            entry["summary"] = {}
            for variant in dict.fromkeys(run["variant"] for run in entry["runs"]):
                values = list(self._values(entry, variant).values())
                if len(values) > 1:
                    s = summarise(values)
                    entry["summary"][variant] = {
                        "mean": s.mean, "low": s.low, "high": s.high, "seeds": s.seeds
                    }  # fmt: skip
        text = _as_json({"chapter": self.chapter, "experiments": self.experiments})
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            temporary.write_text(text + "\n", encoding="utf-8", newline="\n")
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def values(self, experiment: str, variant: str) -> dict[int, float]:
        """Seed -> recorded value.

        Raises:
            KeyError: if nothing was recorded under these names; the message says what was.
        """
        if experiment not in self.experiments:
            known = ", ".join(self.experiments) or "nothing"
            raise KeyError(f"no runs of {experiment!r} in {self.chapter}; recorded: {known}")
        values = self._values(self.experiments[experiment], variant)
        if not values:
            runs = self.experiments[experiment]["runs"]
            known = ", ".join(dict.fromkeys(run["variant"] for run in runs)) or "nothing"
            raise KeyError(f"no runs of variant {variant!r} in {experiment!r}; recorded: {known}")
        return values

    def variants(self, experiment: str) -> list[str]:
        """Names of the recorded variants, in order."""
        return list(dict.fromkeys(run["variant"] for run in self.experiments[experiment]["runs"]))

    def devices(self, experiment: str) -> list[str]:
        """Where the runs were made."""
        return sorted({run["device"] for run in self.experiments[experiment]["runs"]})

    @staticmethod
    def _values(entry: dict[str, Any], variant: str) -> dict[int, float]:
        return {run["seed"]: run["score"] for run in entry["runs"] if run["variant"] == variant}


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
