"""What may be read off the recorded runs: differences to rivals, and how well a ranking travels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attncourse.experiments import intervals
from attncourse.experiments.closing.choosing.nets import CANDIDATES, RIVALS
from attncourse.experiments.results import Results
from attncourse.experiments.summaries import CLEAR, Difference, difference

_DRAWS = 2_000


def strongest(results: Results, task: str) -> str:
    """The rival with the highest mean on a task.

    It is chosen by the scores that it is then compared by, which favours it: a mechanism that is
    clear of it is clear of each.
    """
    means = {r.name: float(np.mean(list(results.values(task, r.name).values()))) for r in RIVALS}
    return max(means, key=means.__getitem__)


def gains(results: Results, task: str, against: str, comparisons: int = 1) -> dict[str, Difference]:
    """Mechanism -> its difference from one rival on a task.

    Args:
        results: the recorded runs.
        task: name of the experiment.
        against: the rival.
        comparisons: m, how many are looked at together; an interval misses with a chance of
            0.05 / m.
    """
    level = 1 - (1 - intervals.LEVEL) / comparisons if comparisons > 1 else intervals.LEVEL
    before = results.values(task, against)
    return {c.name: difference(results.values(task, c.name), before, level) for c in CANDIDATES}


def clear_above(found: dict[str, Difference]) -> list[str]:
    """The mechanisms that are clearly better."""
    return [name for name, gain in found.items() if gain.verdict == CLEAR and gain.mean > 0]


def clear_below(found: dict[str, Difference]) -> list[str]:
    """The mechanisms that are clearly worse."""
    return [name for name, gain in found.items() if gain.verdict == CLEAR and gain.mean < 0]


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same mechanisms agree.

    Attributes:
        value: Spearman's rank correlation, from -1 to 1.
        low: lower end of its 95 % interval over mechanisms and seeds.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def table_of(results: Results, task: str) -> np.ndarray:
    """Scores (mechanisms, seeds)."""
    rows = [results.values(task, c.name) for c in CANDIDATES]
    return np.array([[scores[seed] for seed in sorted(scores)] for scores in rows])


def agreement(one: np.ndarray, other: np.ndarray, seed: int = 0) -> Agreement:
    """Rank correlation of the mean scores of mechanisms on two tasks.

    Mechanisms are drawn anew, with repetition, and so are seeds, for each task by itself; the
    interval holds the middle 95 % of what comes of 2,000 draws.

    Args:
        one: (mechanisms, seeds) on a task.
        other: (mechanisms, seeds) on another.
        seed: of the draws.

    Raises:
        ValueError: if the two do not have the same mechanisms.
    """
    if len(one) != len(other):
        raise ValueError(f"{len(one)} mechanisms beside {len(other)}: give the same in both")
    drawn = np.random.default_rng(seed)
    found = []
    for _ in range(_DRAWS):
        rows = drawn.integers(len(one), size=len(one))
        means = [
            table[rows][:, drawn.integers(table.shape[1], size=table.shape[1])].mean(axis=1)
            for table in (one, other)
        ]
        value = spearman(*means)
        if np.isfinite(value):
            found.append(value)
    low, high = np.quantile(found, (0.025, 0.975))
    return Agreement(spearman(one.mean(axis=1), other.mean(axis=1)), float(low), float(high))


def spearman(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """Correlation of the ranks; ties share the mean of their ranks; NaN where all are tied."""
    from scipy.stats import rankdata

    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    below = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / below if below > 0 else float("nan")
