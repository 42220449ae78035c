"""What may be concluded from the scores of several seeds: a mean, an interval, a verdict."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from attncourse.experiments import intervals

Bounds = tuple[float | None, float | None]

#: Verdicts on a difference; see :meth:`Difference.verdict`.
CLEAR, SMALL, UNCLEAR = "clear", "clearly small", "no clear effect"
#: Two clusters are that many sizes that matter apart, and three times as far as either is wide.
_APART, _WIDE, _FEWEST = 10, 3, 4


@dataclass(frozen=True)
class Scale:
    """How the numbers of an experiment are read.

    Attributes:
        bounds: least and largest possible score, ``None`` where there is none.
        matters: the least difference that would matter, or ``None`` if nobody said.
        learned: least score of a run that counts as having learned, or ``None``.
    """

    bounds: Bounds = (None, None)
    matters: float | None = None
    learned: float | None = None

    @property
    def of_differences(self) -> Bounds:
        """Least and largest possible difference of two scores."""
        low, high = self.bounds
        return (None, None) if low is None or high is None else (low - high, high - low)

    @property
    def one_item(self) -> float | None:
        """How much one item of a bounded score can change."""
        return self.of_differences[1]


class SeedScores(dict[int, float]):
    """Seed -> score of one variant, with what an interval needs beside the scores.

    Attributes:
        scale: how they are read.
        by_item: seed -> (n,) numbers of the test items, for the seeds that have them.
        units: (n,) the unit of every item, the same for all seeds; ``None`` without items.
        unit_name: what the units are called.
    """

    def __init__(
        self,
        scores: Mapping[int, float],
        scale: Scale = Scale(),
        items: Mapping[int, np.ndarray] | None = None,
        units: np.ndarray | None = None,
        unit_name: str = "test items",
    ) -> None:
        super().__init__(scores)
        self.scale, self.by_item, self.units = scale, dict(items or {}), units
        self.unit_name = unit_name

    def only(self, seeds: Collection[int]) -> SeedScores:
        """The scores of some seeds, such as the fresh ones that confirm a first look."""
        kept = {seed: score for seed, score in self.items() if seed in seeds}
        return SeedScores(kept, self.scale, self.by_item, self.units, self.unit_name)

    def table(self, seeds: Sequence[int]) -> np.ndarray | None:
        """Numbers (seeds, units) whose mean is the mean score; ``None`` if a seed has no items."""
        if self.units is None or any(seed not in self.by_item for seed in seeds):
            return None
        return intervals.by_unit(np.stack([self.by_item[seed] for seed in seeds]), self.units)


@dataclass(frozen=True)
class Summary:
    """Mean of several seeds with its 95 % interval.

    Attributes:
        mean: their mean.
        low: lower end of the interval; the least score where ``two_clusters``.
        high: upper end; the largest score where ``two_clusters``.
        seeds: how many values.
        units: how many test items, or people, the interval resamples; 0 if seeds alone.
        unit_name: what these are.
        learned: how many of the seeds learned, or are in the upper cluster, where that is told.
        two_clusters: some seeds learned and some did not: there is no interval.
        stated: whether the experiment states from which score on a seed has learned; elsewhere
            ``learned`` counts the upper of two clusters.
    """

    mean: float
    low: float
    high: float
    seeds: int
    units: int = 0
    unit_name: str = ""
    learned: int | None = None
    two_clusters: bool = False
    stated: bool = False

    @property
    def excludes_zero(self) -> bool:
        """For a difference: whether there is an interval and it leaves zero out."""
        return not self.two_clusters and not self.low <= 0 <= self.high

    @property
    def over(self) -> str:
        """What the interval covers: ``5 seeds and 397 digits``, or ``5 seeds alone``."""
        if self.two_clusters:
            return f"{self.seeds} seeds in two clusters, no interval"
        also = f" and {self.units} {self.unit_name}" if self.units else " alone"
        return f"{self.seeds} seeds{also}"

    @property
    def count(self) -> str:
        """``3 of 5 seeds learned``, or nothing where that is not told."""
        if self.learned is None:
            return ""
        return f"{self.learned} of {self.seeds} seeds {self._did}"

    @property
    def _did(self) -> str:
        return "learned" if self.stated else "in the upper cluster"

    def __str__(self) -> str:
        if self.two_clusters:
            return f"{self.count}, from {self.low:.3f} to {self.high:.3f}"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] ({self.over})"


@dataclass(frozen=True)
class Difference(Summary):
    """Mean difference of two variants, seed by seed, with its 95 % interval.

    Attributes:
        matters: the least difference that would matter, or ``None`` if nobody said.
        learned_before: as ``learned``, of the variant that is compared with.
        level: what the interval covers, and 1 less the bound of Fisher's test.
    """

    matters: float | None = None
    learned_before: int | None = None
    level: float = intervals.LEVEL

    @property
    def verdict(self) -> str:
        """One of three words, from where the interval lies.

        - ``clear``: the whole interval lies beyond the size that matters, on one side.
        - ``clearly small``: the whole interval lies within it, on both sides of zero.
        - ``no clear effect``: neither; five seeds have not settled it.

        If nobody stated a size that matters, it counts as zero.  If either variant's seeds fall
        into two clusters, the numbers of seeds that learned are compared: ``clear`` if Fisher's
        exact test puts them below 5 %, or below 1 - ``level``.
        """
        if self.two_clusters:
            return CLEAR if self._counts_differ() else UNCLEAR
        size = self.matters or 0.0
        if self.low > size or self.high < -size:
            return CLEAR
        if -size < self.low and self.high < size:
            return SMALL
        return UNCLEAR

    def _counts_differ(self) -> bool:
        from scipy.stats import fisher_exact

        assert self.learned is not None
        assert self.learned_before is not None
        rows = [[k, self.seeds - k] for k in (self.learned, self.learned_before)]
        return bool(fisher_exact(rows).pvalue < 1 - self.level)

    @property
    def count(self) -> str:
        """``3 of 5 seeds learned, against 5``, or nothing where that is not told."""
        if self.learned is None:
            return ""
        return f"{self.learned} of {self.seeds} seeds {self._did}, against {self.learned_before}"


def summarise(values: Sequence[float] | Mapping[int, float]) -> Summary:
    """Mean over seeds and its 95 % interval.

    Args:
        values: as :meth:`Results.values` gives them, for an interval over seeds and test items
            together, within the score's bounds; or bare numbers, for one over seeds alone.

    Raises:
        ValueError: for fewer than two values, which have no interval.
    """
    scores = values if isinstance(values, SeedScores) else SeedScores(_numbered(values))
    _enough(len(scores))
    seeds, scale = sorted(scores), scores.scale
    summary = _interval(scores, seeds, scale.bounds)
    threshold = threshold_of(scores)
    return summary if threshold is None else _counted(summary, scores, threshold)


def difference(
    after: Mapping[int, float], before: Mapping[int, float], level: float = intervals.LEVEL
) -> Difference:
    """Mean difference over the seeds that both have, paired seed by seed and item by item.

    Args:
        after: seed -> score.
        before: seed -> score of the variant that is compared with.
        level: what the interval covers: 1 - 0.05 / m where m of them are looked at together.

    Raises:
        ValueError: if fewer than two seeds are shared.
    """
    shared = sorted(after.keys() & before.keys())
    _enough(len(shared))
    gains = {seed: after[seed] - before[seed] for seed in shared}
    one, other = (v if isinstance(v, SeedScores) else SeedScores(v) for v in (after, before))
    same = one.units is not None and np.array_equal(one.units, other.units)  # type: ignore[arg-type]
    paired = {
        seed: one.by_item[seed] - other.by_item[seed]
        for seed in shared
        if same and seed in one.by_item and seed in other.by_item
    }
    scale = one.scale
    table = SeedScores(gains, scale, paired, one.units, one.unit_name)
    found = Difference(**vars(_interval(table, shared, scale.of_differences, level)))
    found = replace(found, matters=scale.matters, level=level)
    thresholds = [t for t in (threshold_of(one), threshold_of(other)) if t is not None]
    if not thresholds:
        return found
    threshold = sum(thresholds) / len(thresholds)
    counts = [sum(v[seed] >= threshold for seed in shared) for v in (one, other)]
    told = scale.learned is not None
    found = replace(found, learned=counts[0], learned_before=counts[1], stated=told)
    if any(0 < k < len(shared) for k in counts):
        found = replace(
            found, two_clusters=True, low=min(gains.values()), high=max(gains.values()), units=0
        )
    return found


def threshold_of(scores: SeedScores) -> float | None:
    """From which score on a seed has learned; ``None`` if the scores are of one kind.

    That is ``learned`` where the experiment states it.  Elsewhere four or more scores fall into
    two clusters if the widest gap between neighbours is three times as wide as either side of it
    and ten times the size that matters; the middle of the gap then parts them.  Of samples of five
    from one normal distribution, 6 in 100 have such a gap before the second condition.
    """
    scale = scores.scale
    if scale.learned is not None:
        return scale.learned
    ordered = sorted(scores.values())
    if len(ordered) < _FEWEST or scale.matters is None:
        return None
    gap, place = max((b - a, i) for i, (a, b) in enumerate(pairwise(ordered)))
    widest = max(ordered[place] - ordered[0], ordered[-1] - ordered[place + 1])
    if gap < _WIDE * widest or gap < _APART * scale.matters:
        return None
    return (ordered[place] + ordered[place + 1]) / 2


def _interval(
    scores: SeedScores, seeds: Sequence[int], bounds: Bounds, level: float = intervals.LEVEL
) -> Summary:
    values = [scores[seed] for seed in seeds]
    mean = math.fsum(values) / len(values)
    table = scores.table(seeds)
    if table is None or table.shape[1] < 2:
        return Summary(mean, *intervals.of_seeds(values, bounds, level), len(values))
    low, high = intervals.interval(table, bounds, scores.scale.one_item, level)
    assert scores.units is not None
    units = len(np.unique(scores.units))
    return Summary(mean, low, high, len(values), units, scores.unit_name)


def _counted(summary: Summary, scores: SeedScores, threshold: float) -> Summary:
    values = scores.values()
    learned = sum(value >= threshold for value in values)
    summary = replace(summary, learned=learned, stated=scores.scale.learned is not None)
    if not 0 < learned < len(values):
        return summary
    return replace(summary, two_clusters=True, low=min(values), high=max(values), units=0)


def _numbered(values: Sequence[float] | Mapping[int, float]) -> Mapping[int, float]:
    return values if isinstance(values, Mapping) else dict(enumerate(values))


def _enough(count: int) -> None:
    if count < 2:
        raise ValueError(f"{count} value(s) have no interval: record at least 2 seeds")
