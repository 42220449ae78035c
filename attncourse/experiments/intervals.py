"""Intervals that resample seeds and test items together, and stay within the score's bounds.

A score X_sg belongs to seed s and to unit g of the test set (an item, or all items of one person).
Both were drawn: other seeds, and other test items, would have given another mean m.  The two
crossed samples are resampled together (the Bayesian form of the bootstrap, weights from a flat
Dirichlet distribution, over rows and over columns of the table):

    d = sum_s u_s (m_s - m) / chi_S  +  r sum_g w_g (m_g - m) / chi_G            (1)

with the means m_s of seeds and m_g of units, and the weights u and w scaled to the unbiased
variance.  Three things repair what a plain percentile over five seeds gets wrong.

1. *Few seeds.*  Five seeds do not tell their own spread.  Each draw is divided by
   chi = sqrt(chi-squared / degrees of freedom), as in Student's t: without it the interval covers
   about 83 % in place of 95 %.  The same holds for five people.
2. *Noise that is counted twice.*  What is particular to one seed on one item stands in the spread
   of the m_s and again in that of the m_g.  r takes it out of the second one:
   r^2 = 1 - (mean square of the interaction) / (mean square of the units), at least 0.
3. *Bounds.*  The 95 % point h of abs(d) is not added to m.  The ends are the p that solve

       (p - m)^2 = h^2 v(p) / v(m),   v(p) = (high - p) (p - low)                (2)

   as in Wilson's interval of a share; a missing bound drops its factor.  They cannot leave the
   bounds, and near a bound the interval is lopsided as it should be.

Simulated with 5 and 10 seeds, 100 and 400 items, accuracies of 60 to 99 % and five kinds of spread,
300 draws each, intervals of means cover 95.3 % on average and those of differences 95.9 %; nine
cases in ten lie between 93 and 98 %.  The worst is 90 %: at 99 % of a hundred items one hard item
makes up all errors, and nobody can tell from it how many others there are.
``tests/unit/test_coverage.py`` holds some of the cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

LEVEL = 0.95
#: Draws for this level, and for a higher one, beyond which only few of 4,000 would lie.
DRAWS, MANY_DRAWS = 4_000, 400_000
#: Units of a test set are dealt into at most so many hands; they tell the spread well enough.
HANDS = 400
_STREAM = 20_210
#: Below it a half width is a rounding error.
_NOTHING = 1e-12


def by_unit(items: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Items (..., n) gathered by unit: (..., g) numbers whose mean is the mean of the items.

    A unit's number is the mean of all plus what the unit's items add to it:
    m + g / n * sum over its items of (item - m).

    Args:
        items: one number for each test item.
        units: (n,) the unit of each, from 0.
    """
    _, place = np.unique(units, return_inverse=True)
    count = int(place.max()) + 1
    if count > HANDS:
        place, count = place % HANDS, HANDS
    mean = items.mean(axis=-1, keepdims=True)
    member = np.zeros((len(place), count))
    member[np.arange(len(place)), place] = count / len(place)
    return mean + (items - mean) @ member


def interval(
    table: np.ndarray,
    bounds: tuple[float | None, float | None],
    one_item: float | None = None,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Ends of the interval of the mean of ``table``, over seeds and units together.

    Where no number differs from another, as with accuracies of 100 %, resampling says nothing.
    A share of which no case was seen in g units is then below 1 - 0.025^(1/g), about 3.7 / g.

    Args:
        table: (seeds, units), as :func:`by_unit` gives it.
        bounds: least and largest value of the mean, or ``None``.
        one_item: how much one item can change in a score, if that is bounded.
        level: what the interval covers; higher than 0.95 where many are looked at.
    """
    mean, half = float(table.mean()), half_width(table, level)
    low, high = within(mean, half, bounds)
    if half < _NOTHING and one_item is not None:
        unseen = one_item * (1 - ((1 - level) / 2) ** (1 / table.shape[1]))
        low, high = mean - unseen, mean + unseen
        low = low if bounds[0] is None else max(low, bounds[0])
        high = high if bounds[1] is None else min(high, bounds[1])
    return low, high


def of_seeds(
    values: Sequence[float], bounds: tuple[float | None, float | None], level: float = LEVEL
) -> tuple[float, float]:
    """Ends of the interval over seeds alone, by Student's t, within the bounds.

    Args:
        values: one score for each of at least two seeds.
        bounds: least and largest value of the mean, or ``None``.
        level: what the interval covers.
    """
    from scipy.stats import t

    count = len(values)
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    half = float(t.ppf((1 + level) / 2, count - 1)) * deviation / math.sqrt(count)
    return within(mean, half, bounds)


def half_width(table: np.ndarray, level: float = LEVEL) -> float:
    """The point of abs(d) in equation (1) below which a share ``level`` of its draws lies.

    For a higher level than 0.95 many draws are made of the seeds; for the units, which are many,
    Student's t stands in place of theirs, which has the same variance.

    Args:
        table: (seeds, units), at least two of each.
        level: what the interval covers.
    """
    seeds, units = table.shape
    mean = table.mean()
    of_seed, of_unit = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    rest = table - mean - of_seed[:, None] - of_unit
    interaction = np.square(rest).sum() / ((seeds - 1) * (units - 1))
    between = seeds * np.square(of_unit).sum() / (units - 1)
    share = math.sqrt(max(0.0, 1 - interaction / between)) if between > 0 else 0.0
    if level > LEVEL:
        error = share * math.sqrt(np.square(of_unit).sum() / (units * (units - 1)))
        drawn = _draws(seeds, 0, MANY_DRAWS) @ of_seed + error * _student(units - 1)
    else:
        drawn = _draws(seeds, 0) @ of_seed + share * (_draws(units, 1) @ of_unit)
    return float(np.quantile(np.abs(drawn), level))


@lru_cache(maxsize=8)
def _student(freedom: int) -> np.ndarray:
    """Draws of Student's t."""
    return np.random.default_rng((_STREAM, freedom)).standard_t(freedom, MANY_DRAWS)


@lru_cache(maxsize=8)
def _draws(count: int, stream: int, draws: int = DRAWS) -> np.ndarray:
    """Weights (draws, count) of equation (1), each row divided by its chi."""
    generator = np.random.default_rng((_STREAM, count, stream))
    weights = generator.standard_exponential((draws, count))
    weights /= weights.sum(axis=1, keepdims=True)
    unbiased = math.sqrt((count + 1) / (count - 1))
    chi = np.sqrt(generator.chisquare(count - 1, (draws, 1)) / (count - 1))
    return unbiased * (weights - 1 / count) / chi


def within(
    mean: float, half: float, bounds: tuple[float | None, float | None]
) -> tuple[float, float]:
    """Both solutions of equation (2), the ends of the interval.

    Args:
        mean: m, within the bounds.
        half: h.
        bounds: least and largest value, or ``None``.
    """
    low, high = bounds
    if low is None and high is None:
        return mean - half, mean + half
    if low is None or high is None:
        sign, bound = (1, high) if low is None else (-1, low)
        room = sign * (bound - mean)  # type: ignore[operator]
        if room <= 0:
            return mean, mean
        # With q = abs(bound - p): (q - room)^2 = h^2 q / room
        k = half * half / room
        root = math.sqrt(k * room + k * k / 4)
        far, near = room + k / 2 + root, room + k / 2 - root
        ends = sorted((bound - sign * far, bound - sign * max(near, 0.0)))  # type: ignore[operator]
        return ends[0], ends[1]
    spread = (high - mean) * (mean - low)
    if spread <= 0:
        return mean, mean
    k, middle = half * half / spread, (low + high) / 2
    # (p - m)^2 = k (high - p) (p - low), a quadratic in p
    centre = (mean + k * middle) / (1 + k)
    root = math.sqrt(max(0.0, centre**2 - (mean**2 + k * low * high) / (1 + k)))
    return max(low, centre - root), min(high, centre + root)
