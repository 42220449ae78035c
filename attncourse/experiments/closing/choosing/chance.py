"""What chance does to a table of many comparisons, and what can be counted without training.

- Many intervals are looked at: :func:`surviving` widens each, so that all of them together miss
  with a chance of at most 5 %.
- The strongest of several rivals is picked by the scores that it is then compared by:
  :func:`picked_afterwards` says by simulation how often nothing then looks like something.
- A ranking of few seeds is not quite its own: :func:`reliability`, and :func:`least_telling`.
- A pixel that cannot hear of the beacon guesses: :func:`ceiling`.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from attncourse.experiments import intervals
from attncourse.experiments.closing.choosing.reading import gains, spearman
from attncourse.experiments.results import Results
from attncourse.experiments.summaries import CLEAR


def surviving(results: Results, task: str, against: str, comparisons: int) -> list[str]:
    """The mechanisms that stay clear, on either side, when ``comparisons`` are counted."""
    found = gains(results, task, against, comparisons)
    return [name for name, gain in found.items() if gain.verdict == CLEAR]


def picked_afterwards(
    rivals: int, seeds: int = 5, draws: int = 40_000, seed: int = 0
) -> tuple[float, float]:
    """Shares of intervals below and above zero where no network differs from any other.

    The best of some rivals is picked by its mean over seeds; one more network is compared with it,
    seed by seed, by an interval that covers 95 % of differences from a rival named beforehand.

    Args:
        rivals: how many there are to pick from.
        seeds: of each network.
        draws: simulated tables.
        seed: of the draws.
    """
    from scipy.stats import t

    drawn = np.random.default_rng(seed).normal(size=(draws, rivals + 1, seeds))
    best = drawn[:, :rivals].mean(axis=2).argmax(axis=1)
    less = drawn[:, rivals] - drawn[np.arange(draws), best]
    half = t.ppf((1 + intervals.LEVEL) / 2, seeds - 1) * less.std(axis=1, ddof=1)
    mean, half = less.mean(axis=1), half / math.sqrt(seeds)
    return float(np.mean(mean + half < 0)), float(np.mean(mean - half > 0))


def reliability(table: np.ndarray) -> float:
    """How well a ranking agrees with itself: two seeds against the others, mean over all splits.

    Args:
        table: (mechanisms, seeds).

    Returns:
        the mean of Spearman's rank correlation; near 1, and five seeds tell the order.
    """
    seeds = range(table.shape[1])
    found = []
    for chosen in combinations(seeds, table.shape[1] // 2):
        others = [s for s in seeds if s not in chosen]
        found.append(spearman(table[:, list(chosen)].mean(axis=1), table[:, others].mean(axis=1)))
    return float(np.mean(found))


def least_telling(mechanisms: int) -> float:
    """The rank correlation beyond which 5 % of two unrelated rankings lie, on either side.

    Args:
        mechanisms: how many are ranked, at least 4; by Student's t, which is near from 10 on.
    """
    from scipy.stats import t

    point = t.ppf((1 + intervals.LEVEL) / 2, mechanisms - 2)
    return float(point / math.sqrt(mechanisms - 2 + point**2))


def ceiling(radius: int, *, lines: bool = False, side: int = 12) -> float:
    """The share of right pixels where each pixel hears what is near, and guesses otherwise.

    Args:
        radius: rows and columns that a pixel hears to every side.
        lines: whether it hears of whatever is near in its row *or* near in its column, as behind
            a block that hands on the row and the column.
        side: of the image; the beacon stands anywhere with the same chance.
    """
    places = np.arange(side)
    near = float((abs(places[:, None] - places) <= radius).mean())
    heard = 1 - (1 - near) ** 2 if lines else near**2
    return (1 + heard) / 2
