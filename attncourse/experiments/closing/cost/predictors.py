"""Ways to predict the seconds of a step from what can be counted, with nothing fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from attncourse.experiments.closing.cost.blocks import Case
from attncourse.roofline import Speeds, Work, seconds_by_operator

Rule = Callable[[Case, Speeds], float]

#: Round speeds, for what must not depend on the machine.
ROUND = Speeds(rate=1e11, bandwidth=4e10, call=1e-6, of_products=5e10)


def by_parameters(case: Case, speeds: Speeds) -> float:
    """The parameters moved once, and at least one."""
    return 4 * max(case.parameters, 1) / speeds.bandwidth


def by_multiply_adds(case: Case, speeds: Speeds) -> float:
    """The formula's multiply-adds at the machine's rate."""
    return case.multiply_adds / speeds.rate


def by_bytes(case: Case, speeds: Speeds) -> float:
    """Input, output, parameters and their gradients, each once, at the bandwidth."""
    return case.through / speeds.bandwidth


def by_roofline(case: Case, speeds: Speeds) -> float:
    """The greater of the two times."""
    return Work(case.products, case.through).least_seconds(speeds)


def by_roofline_and_calls(case: Case, speeds: Speeds) -> float:
    """The same, and the calls."""
    return by_roofline(case, speeds) + len(case.operators) * speeds.call


def by_traffic(case: Case, speeds: Speeds) -> float:
    """All that the operators read and write, at the bandwidth."""
    return case.moved / speeds.bandwidth


def by_operators(case: Case, speeds: Speeds) -> float:
    """For each operator the greater of its own two times, and its call."""
    return seconds_by_operator(case.operators, speeds)


class Predictor(nn.Module):
    """A rule as a network without weights: numbers of cases -> seconds, in float64.

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
    one, other = np.triu_indices(len(seconds), 1)
    keep = groups[one] == groups[other]
    one, other = one[keep], other[keep]
    right = np.sign(predicted[one] - predicted[other]) == np.sign(seconds[one] - seconds[other])
    counts = weights[one] * weights[other]
    return float((right * counts).sum() / counts.sum())
