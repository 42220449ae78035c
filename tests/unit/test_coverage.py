"""Intervals cover the truth in about 95 of 100 draws of seeds and items, as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from attncourse.experiments.intervals import half_width, interval, within

REPEATS = 200
#: Seeds, items, accuracy, spread of seeds and of items, in logits.
CASES = [
    (5, 100, 0.6, 0.5, 1.0),
    (5, 400, 0.97, 0.5, 1.0),
    (5, 200, 0.99, 0.0, 0.0),
    (10, 100, 0.9, 1.0, 1.0),
]


def logit_of(accuracy, spread):
    """The mean logit at which seeds and items of that spread have the accuracy."""
    logits = spread * np.random.default_rng(1).standard_normal(100_000)
    low, high = -12.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        right = (1 / (1 + np.exp(-(middle + logits)))).mean()
        low, high = (middle, high) if right < accuracy else (low, middle)
    return low


def tables(seeds, items, levels, of_seed, of_item, generator):
    """One table of answers for each level: other seeds, the same items."""
    hard = of_item * generator.standard_normal(items)
    for level in levels:
        logits = level + hard + of_seed * generator.standard_normal((seeds, 1))
        yield (generator.random((seeds, items)) < 1 / (1 + np.exp(-logits))).astype(float)


def covered(case, seed, gain=None, plain=False):
    seeds, items, accuracy, of_seed, of_item = case
    spread, generator = math.hypot(of_seed, of_item), np.random.default_rng(seed)
    truths = [accuracy] if gain is None else [accuracy, accuracy + gain]
    levels = [logit_of(truth, spread) for truth in truths]
    hits = 0
    for _ in range(REPEATS):
        found = list(tables(seeds, items, levels, of_seed, of_item, generator))
        table, truth = (found[0], accuracy) if gain is None else (found[1] - found[0], gain)
        if plain:  # the percentile bootstrap over seeds and items that is in common use
            rows = generator.integers(seeds, size=(200, seeds))
            columns = generator.integers(items, size=(200, items))
            means = [table[r][:, c].mean() for r, c in zip(rows, columns, strict=True)]
            low, high = np.quantile(means, [0.025, 0.975])
        else:
            low, high = interval(table, (0.0, 1.0) if gain is None else (-1.0, 1.0), 1.0)
        hits += low <= truth <= high
    return hits / REPEATS


@pytest.mark.parametrize("case", CASES, ids=str)
def test_intervals_of_accuracies_cover(case):
    assert 0.91 <= covered(case, seed=0) <= 0.995


@pytest.mark.parametrize("gain", [0.0, 0.02])
def test_intervals_of_differences_cover(gain):
    assert 0.91 <= covered((5, 400, 0.9, 0.3, 2.0), seed=1, gain=gain) <= 0.995


def test_a_plain_percentile_over_five_seeds_does_not():
    """The reason for dividing by chi: seeds that differ much, resampled as they are."""
    case = (5, 100, 0.6, 1.0, 0.5)
    assert covered(case, seed=2, plain=True) < 0.88
    assert covered(case, seed=2) > 0.91


def test_the_interval_is_the_one_that_the_docstring_states():
    table = next(tables(5, 100, [2.0], 0.5, 1.0, np.random.default_rng(3)))
    assert interval(table, (0.0, 1.0), 1.0) == within(table.mean(), half_width(table), (0.0, 1.0))
