"""The peak learning rate of every network on every question, and how it was found.

    python -m attncourse.experiments.closing.choosing.rates copies beacon rooks twins

trains each network with each rate of ``GRID`` and seed 100, and scores it on examples that are
drawn as training examples are, from a seed of their own: the test data have no say.  ``RATES``
holds the best of them.  On the digits there is nothing to choose by, because all training images
are learned, and every network keeps the budget's rate of 0.01.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace

from attncourse.experiments.base import Experiment
from attncourse.experiments.scores import Score
from attncourse.training import Budget, fit, seed_everything

GRID = (0.003, 0.01, 0.03, 0.1)
_SEED, _DRAWN, _COUNT = 100, 777, 1_500
#: Question -> network -> its rate; what is not here has the budget's.
RATES: dict[str, dict[str, float]] = {}


def tried(experiment: Experiment, budget: Budget) -> Iterator[tuple[str, float, float]]:
    """(network, rate, its score on training draws) of every network and rate."""
    task = experiment.task()
    x, y = task.train_batch(_DRAWN, 0, _COUNT)
    assert isinstance(experiment.score, Score)
    for variant in experiment.variants:
        for rate in GRID:
            seed_everything(_SEED)
            spent = replace(budget, learning_rate=rate)
            run = fit(
                variant.build(), task, spent, seed=_SEED, loss=experiment.loss, title=variant.name
            )
            score = experiment.score.measure(run.model, x, y).value
            print(experiment.name, variant.name, rate, round(score, 4), file=sys.stderr)
            yield variant.name, rate, score


def chosen(experiment: Experiment, budget: Budget) -> dict[str, float]:
    """Network -> the rate with the highest score; the smallest of those that tie."""
    best: dict[str, tuple[float, float]] = {}
    for name, rate, score in tried(experiment, budget):
        if name not in best or score > best[name][0]:
            best[name] = (score, rate)
    return {name: rate for name, (_, rate) in best.items()}


def main(names: list[str]) -> None:
    """Print what is chosen for some questions, as JSON."""
    from attncourse.experiments.closing.choosing.experiment import EXPERIMENTS

    found = {e.name: chosen(e, e.quick) for e in EXPERIMENTS if e.name in names}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
