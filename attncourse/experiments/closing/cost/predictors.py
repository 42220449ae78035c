"""Ways to predict the seconds of a step from what can be counted, and what a fit adds to them.

Every rule is given the same speeds.  What it makes of them depends on what it counts: a rule that
knows the operators can charge each at the rate of its kernel, and a card's count cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from attncourse.experiments.closing.cost.blocks import Case
from attncourse.roofline import Speeds, arithmetic_seconds, seconds_by_operator

Rule = Callable[[Case, Speeds], float | tuple[float, ...]]

#: Round speeds, for what must not depend on the machine.
ROUND = Speeds(rate=1e11, bandwidth=4e10, call=1e-6, of_products=5e10)


def by_parameters(case: Case, speeds: Speeds) -> float:
    """The parameters moved once, and at least one."""
    return 4 * max(case.parameters, 1) / speeds.bandwidth


def by_multiply_adds(case: Case, speeds: Speeds) -> float:
    """The formula's multiply-adds at the rate of a large product: no kernels are known."""
    return case.multiply_adds / (speeds.of_products or speeds.rate)


def by_bytes(case: Case, speeds: Speeds) -> float:
    """Input, output, parameters and their gradients, each once, at the bandwidth."""
    return case.through / speeds.bandwidth


def by_roofline(case: Case, speeds: Speeds) -> float:
    """The greater of the two times, with the products of the whole step."""
    return max(arithmetic_seconds(case.operators, speeds), by_bytes(case, speeds))


def by_roofline_and_calls(case: Case, speeds: Speeds) -> float:
    """The same, and the calls."""
    return by_roofline(case, speeds) + len(case.operators) * speeds.call


def by_traffic(case: Case, speeds: Speeds) -> float:
    """All that the operators read and write, at the bandwidth."""
    return case.moved / speeds.bandwidth


def by_operators(case: Case, speeds: Speeds) -> float:
    """For each operator the greater of its own two times, and its call."""
    return seconds_by_operator(case.operators, speeds)


def by_sum(case: Case, speeds: Speeds) -> float:
    """Products, traffic and calls, each at its speed, added up: nothing overlaps."""
    calls = len(case.operators) * speeds.call
    return arithmetic_seconds(case.operators, speeds) + by_traffic(case, speeds) + calls


def by_adds_and_traffic(case: Case, speeds: Speeds) -> tuple[float, float]:
    """Two times for a fit with an exponent for each."""
    return by_multiply_adds(case, speeds), by_traffic(case, speeds)


class Predictor(nn.Module):
    """A rule as a network without weights: numbers of cases -> seconds, in float64.

    A rule of several times gives (n, k) in place of (n,).

    Args:
        rule: what predicts.
        cases: what the numbers count.
    """

    def __init__(self, rule: Rule, cases: Callable[[], Sequence[Case]]) -> None:
        super().__init__()
        self.rule, self.cases = rule, cases

    def forward(self, numbers: Tensor, speeds: Speeds = ROUND) -> Tensor:
        """Predict on a machine of these speeds."""
        found = self.cases()
        seconds = [self.rule(found[n], speeds) for n in numbers.tolist()]
        return torch.tensor(seconds, dtype=torch.float64)


def octaves(seconds: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """How many times a prediction has to be doubled to give what was measured; (n,)."""
    return np.asarray(np.log2(np.asarray(seconds) / np.asarray(predicted)))


def after_one_factor(off: np.ndarray, units: np.ndarray) -> np.ndarray:
    """What is left when each block's prediction is multiplied by one factor for all sizes.

    The factor of a block is the median over all other blocks, so that no block helps itself.

    Args:
        off: (n,) octaves.
        units: (n,) the block of each case.
    """
    left = off.copy()
    for unit in np.unique(units):
        left[units == unit] -= np.median(off[units != unit])
    return left


def after_constants(seconds: np.ndarray, predicted: np.ndarray, units: np.ndarray) -> np.ndarray:
    """What is left when a factor and an exponent are fitted, for all blocks and sizes.

    Log time is a straight line in log prediction, by least squares over all other blocks.

    Args:
        seconds: (n,) measured.
        predicted: (n,), or (n, k) for an exponent each.
        units: (n,) the block of each case.

    Returns:
        (n,) octaves.
    """
    times = np.log2(np.asarray(seconds))
    known = np.log2(np.asarray(predicted)).reshape(len(times), -1)
    known = np.concatenate([np.ones((len(times), 1)), known], axis=1)
    left = np.empty(len(times))
    for unit in np.unique(units):
        mine = units == unit
        fitted = np.linalg.lstsq(known[~mine], times[~mine], rcond=None)[0]
        left[mine] = times[mine] - known[mine] @ fitted
    return left


def pairs_of_a_group(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of cases of one size, as two arrays of places."""
    one, other = np.triu_indices(len(groups), 1)
    keep = groups[one] == groups[other]
    return one[keep], other[keep]


def order_kept(
    seconds: np.ndarray, predicted: np.ndarray, groups: np.ndarray, weights: np.ndarray
) -> float:
    """The share of pairs of one size whose order the prediction tells.

    Args:
        seconds: (n,) measured.
        predicted: (n,).
        groups: (n,) the size of each case; only pairs of one size are compared.
        weights: (n,) how often each case counts, as resampling draws it.
    """
    one, other = pairs_of_a_group(groups)
    right = np.sign(predicted[one] - predicted[other]) == np.sign(seconds[one] - seconds[other])
    counts = weights[one] * weights[other]
    return float((right * counts).sum() / counts.sum())


@dataclass(frozen=True)
class Band:
    """Pairs of cases of one size, one of which has so many times the count of the other.

    Attributes:
        pairs: how many.
        right: the share in which the smaller count takes less time.
        apart: how many times longer the larger count took, all pairs in ascending order.
    """

    pairs: int
    right: float
    apart: np.ndarray


def band(
    seconds: np.ndarray, counts: np.ndarray, groups: np.ndarray, low: float, high: float
) -> Band:
    """The pairs whose counts differ by a factor from ``low`` to below ``high``.

    Equal counts say nothing of an order and are left out.

    Args:
        seconds: (s, n) measured by s processes.
        counts: (n,).
        groups: (n,) the size of each case; only pairs of one size are compared.
        low: least factor.
        high: first factor that is too large.

    Raises:
        ValueError: if there is no such pair.
    """
    one, other = pairs_of_a_group(groups)
    more, less = np.where(counts[one] > counts[other], (one, other), (other, one))
    factor = counts[more] / counts[less]
    mine = (factor >= low) & (factor < high) & (factor > 1)
    if not mine.any():
        raise ValueError(f"no pair of one size has a ratio from {low} to {high}")
    apart = seconds[:, more[mine]] / seconds[:, less[mine]]
    return Band(int(mine.sum()), float((apart > 1).mean()), np.sort(apart.mean(axis=0)))
