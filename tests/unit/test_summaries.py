"""What may be concluded: intervals over seeds and items, verdicts, clusters."""

from __future__ import annotations

import numpy as np
import pytest

from attncourse.experiments import Results, Scale, difference, summarise
from attncourse.experiments.intervals import by_unit, half_width, interval, of_seeds, within
from attncourse.experiments.summaries import SeedScores, threshold_of

SHARE = Scale((0.0, 1.0), matters=0.01)


def drawn(seeds=5, count=200, mean=0.9, spread=0.0, seed=0):
    generator = np.random.default_rng(seed)
    level = np.clip(mean + spread * generator.standard_normal((seeds, 1)), 0, 1)
    return (generator.random((seeds, count)) < level).astype(float)


def scored(table, scale=SHARE, units=None, name="test items"):
    items = dict(enumerate(table))
    units = np.arange(table.shape[1]) if units is None else units
    return SeedScores({s: row.mean() for s, row in items.items()}, scale, items, units, name)


# ---------------------------------------------------------------- the ends


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0), (None, 1.0), (0.0, None)])
@pytest.mark.parametrize("half", [1e-4, 0.05, 0.6])
def test_ends_solve_the_equation_and_stay_within_the_bounds(bounds, half):
    low, high = bounds
    for mean in (0.03, 0.5, 0.97):

        def v(p):
            return (1 if high is None else high - p) * (1 if low is None else p - low)

        ends = within(mean, half, bounds)
        assert ends[0] < mean < ends[1]
        for p in ends:
            assert (p - mean) ** 2 == pytest.approx(half**2 * v(p) / v(mean), rel=1e-6)
            assert low is None or p >= low
            assert high is None or p <= high
    assert within(0.5, half, (None, None)) == (0.5 - half, 0.5 + half)


def test_no_interval_leaves_the_bounds():
    for mean in (0.5, 0.95, 0.999):
        for spread in (0.0, 0.2):
            table = drawn(mean=mean, spread=spread)
            low, high = interval(table, (0.0, 1.0), 1.0)
            assert 0 <= low <= table.mean() <= high <= 1
    assert of_seeds([0.99, 1.0, 1.0, 1.0, 0.8], (0.0, 1.0))[1] <= 1


def test_items_that_never_fail_still_leave_room_for_the_unseen():
    low, high = interval(np.ones((5, 397)), (0.0, 1.0), 1.0)
    assert high == 1
    assert low == pytest.approx(1 - (1 - 0.025 ** (1 / 397)))
    same = interval(np.zeros((5, 397)), (-1.0, 1.0), 1.0)
    assert same == pytest.approx((-0.00925, 0.00925), abs=1e-4)


def test_items_widen_what_seeds_alone_call_certain():
    """Five seeds with one score, that all fail on the same items, are one observation."""
    table = np.tile(drawn(1, 400, 0.9), (5, 1))
    alone = of_seeds(table.mean(axis=1).tolist(), (0.0, 1.0))
    assert alone[1] - alone[0] == pytest.approx(0, abs=1e-9)
    half = half_width(table)
    assert half == pytest.approx(1.96 * np.sqrt(0.9 * 0.1 / 400), rel=0.15)


def test_seeds_alone_are_student_s_t_where_items_say_nothing():
    """The same score on every item: what is left is the spread of five seeds."""
    seeds = np.array([0.1, 0.3, 0.2, 0.5, 0.4])
    table = np.repeat(seeds[:, None], 50, axis=1)
    low, high = of_seeds(seeds.tolist(), (None, None))
    assert half_width(table) == pytest.approx((high - low) / 2, rel=0.1)


@pytest.mark.parametrize("level", [0.99, 1 - 0.05 / 170])
def test_a_higher_level_is_student_s_t_of_seeds_and_of_units(level):
    """Where either part is all there is, its own quantile; both together lie beyond each."""
    from scipy.stats import t

    drawn = np.random.default_rng(0)
    seed, unit = drawn.normal(size=(5, 1)), drawn.normal(size=(1, 300))
    point = t.ppf((1 + level) / 2, [4, 299])
    wanted = point * [seed.std(ddof=1) / 5**0.5, unit.std(ddof=1) / 300**0.5]
    found = [half_width(table + np.zeros((5, 300)), level) for table in (seed, unit)]
    assert found[1] == pytest.approx(wanted[1], rel=0.05)
    assert found[0] == pytest.approx(wanted[0], rel=0.2)  # Dirichlet weights for Gaussian ones
    assert half_width(seed + unit, level) > 0.97 * max(found)  # few draws lie so far out
    assert half_width(seed + unit, level) > half_width(seed + unit)


def test_a_difference_at_a_higher_level_is_wider_and_says_so():
    drawn = np.random.default_rng(1)
    after, before = (dict(enumerate(m + 0.01 * drawn.normal(size=5))) for m in (0.9, 0.86))
    one, many = difference(after, before), difference(after, before, 1 - 0.05 / 40)
    assert (one.level, many.level) == (0.95, 1 - 0.05 / 40)
    assert many.low < one.low < one.mean == many.mean < one.high < many.high
    assert (one.verdict, many.verdict) == ("clear", "no clear effect")


def test_units_are_resampled_whole():
    table = drawn(5, 400, 0.8)
    people = np.repeat(np.arange(8), 50)
    shifted = table.copy()
    shifted[:, people < 4] = 1.0  # four people are always recognised
    apart = half_width(by_unit(shifted, np.arange(400)))
    together = half_width(by_unit(shifted, people))
    assert together > 2.5 * apart
    gathered = by_unit(shifted, people)
    np.testing.assert_allclose(gathered.mean(axis=1), shifted.mean(axis=1))
    uneven = np.minimum(np.arange(400) // 90, 3)
    np.testing.assert_allclose(by_unit(table, uneven).mean(axis=1), table.mean(axis=1), atol=1e-12)


def test_more_units_than_hands_are_dealt():
    table = drawn(5, 900, 0.9)
    dealt = by_unit(table, np.arange(900))
    assert dealt.shape == (5, 400)
    np.testing.assert_allclose(dealt.mean(axis=1), table.mean(axis=1))
    assert half_width(dealt) == pytest.approx(half_width(table), rel=0.2)


def test_the_same_numbers_give_the_same_interval():
    assert half_width(drawn()) == half_width(drawn())


# ---------------------------------------------------------------- summaries


def test_a_summary_says_what_its_interval_covers():
    both = summarise(scored(drawn(), name="digits"))
    assert both.over == "5 seeds and 200 digits"
    alone = summarise([0.9, 0.91, 0.92])
    assert alone.over == "3 seeds alone"
    assert "seeds alone" in str(alone)
    some = scored(drawn())
    del some.by_item[3]
    assert summarise(some).over == "5 seeds alone"


def test_differences_are_paired_item_by_item():
    """Hard items are hard for both: paired, the difference is known far better."""
    generator = np.random.default_rng(0)
    hard = generator.random(400)
    before = (hard < 0.7).astype(float) * np.ones((5, 1))
    after = (hard < 0.73).astype(float) * np.ones((5, 1))
    gain = difference(scored(after), scored(before))
    wide = summarise(scored(before))
    assert gain.high - gain.low < 0.5 * (wide.high - wide.low)
    other = scored(before, units=np.arange(400) // 2)
    assert difference(scored(after), other).over == "5 seeds alone"  # not the same test set


# ---------------------------------------------------------------- verdicts


def gain_of(low, high, matters):
    base = {0: 0.5, 1: 0.5}
    t = 12.7062  # of one degree of freedom: two seeds, an interval of a given place
    middle, half = (low + high) / 2, (high - low) / 2
    shift = half / t
    after = {0: 0.5 + middle - shift, 1: 0.5 + middle + shift}
    return difference(SeedScores(after, Scale((None, None), matters)), base)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.02, 0.05, "clear"),
        (-0.05, -0.02, "clear"),
        (0.002, 0.008, "clearly small"),  # without zero, and too small to matter
        (-0.004, 0.004, "clearly small"),
        (0.005, 0.03, "no clear effect"),  # without zero, and perhaps too small to matter
        (-0.02, 0.03, "no clear effect"),
    ],
)
def test_a_verdict_is_where_the_interval_lies(low, high, verdict):
    gain = gain_of(low, high, matters=0.01)
    assert (gain.low, gain.high) == pytest.approx((low, high), abs=1e-4)
    assert gain.verdict == verdict


def test_without_a_size_that_matters_nothing_is_small():
    assert gain_of(0.002, 0.008, None).verdict == "clear"
    assert gain_of(-0.004, 0.004, None).verdict == "no clear effect"


# ---------------------------------------------------------------- clusters


def seeds(*values, scale=SHARE):
    return SeedScores(dict(enumerate(values)), scale)


def test_two_clusters_have_no_interval():
    found = summarise(seeds(0.09, 0.91, 0.91, 0.92, 0.94))
    assert found.two_clusters
    assert found.count == "4 of 5 seeds in the upper cluster"
    assert (found.low, found.high) == (0.09, 0.94)
    assert "no interval" in found.over
    stated = summarise(seeds(0.3, 0.6, 0.7, scale=Scale((0, 1), 0.01, learned=0.5)))
    assert stated.count == "2 of 3 seeds learned"
    assert stated.two_clusters
    all_of_them = summarise(seeds(0.6, 0.6, 0.7, scale=Scale((0, 1), 0.01, learned=0.5)))
    assert not all_of_them.two_clusters
    assert all_of_them.count == "3 of 3 seeds learned"


@pytest.mark.parametrize(
    "values",
    [
        (0.57, 0.66, 0.75, 0.84, 0.93),  # scattered
        (0.960, 0.961, 0.990, 0.991, 0.992),  # apart, but by little
        (0.1, 0.9, 0.91),  # too few to say
        (0.5, 0.6, 0.62, 0.64, 0.8),  # two outliers
    ],
)
def test_scattered_seeds_are_no_clusters(values):
    assert threshold_of(seeds(*values)) is None
    assert not summarise(seeds(*values)).two_clusters


def test_clusters_are_compared_by_how_many_learned():
    none = seeds(0.2, 0.21, 0.2, 0.22, 0.2)
    some, most = seeds(0.2, 0.21, 0.2, 0.91, 0.92), seeds(0.2, 0.91, 0.92, 0.93, 0.9)
    gain = difference(most, none)
    assert gain.count == "4 of 5 seeds in the upper cluster, against 0"
    assert gain.verdict == "clear"
    assert difference(some, none).verdict == "no clear effect"
    assert not difference(some, none).excludes_zero


# ---------------------------------------------------------------- side by side


def test_a_comparison_counts_its_comparisons():
    variants = [("a", "plain"), ("b", "ablation"), ("c", "mechanism")]
    runs = [
        {"variant": name, "role": role, "seed": seed, "score": 0.5 + 0.1 * shift + 0.01 * seed}
        for shift, (name, role) in enumerate(variants)
        for seed in range(3)
    ]
    entry = {"data": "d", "budget": {"steps": 1000}, "metric": "test accuracy", "runs": runs}
    results = Results("c/x", {"e": entry})
    found = results.compare("e")
    assert (found.against, found.comparisons, found.title) == ("a", 2, "d, 1,000 steps")
    assert found["a"].gain is None
    assert found["c"].gain.mean == pytest.approx(0.2)
    other = results.compare("e", against="c", variants=["a", "c"])
    assert other["a"].gain.mean == pytest.approx(-0.2)
    assert other.comparisons == 1
    fresh = results.compare("e", seeds=range(1, 3))
    assert sorted(fresh["c"].scores) == [1, 2]
    assert fresh["c"].gain.seeds == 2
    with pytest.raises(KeyError, match="no runs of 'f' in c/x; recorded: e"):
        results.compare("f")
    with pytest.raises(KeyError, match="no runs of variant 'd' in 'e'; recorded: a, b, c"):
        results.compare("e", against="d")
    with pytest.raises(KeyError, match="no variant 'b' in this comparison; it has: a, c"):
        other["b"]
