"""The peak learning rate of every network on every question, and how it was found.

    python -m attncourse.experiments.closing.choosing.rates copies beacon rooks twins

trains each network with each rate of ``GRID`` and seed 100, for the steps of ``STEPS``, and scores
it on examples that are drawn as training examples are, from a seed of their own: the test data
have no say.  ``TRIED`` holds what came of it.  On the digits there is nothing to choose by, because
all training images are learned, and every network keeps the budget's rate of 0.01.
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
#: Steps of a trial; on *copies* and *twins* the recorded runs take twice as many.
STEPS = {"copies": 300, "beacon": 200, "rooks": 400, "twins": 900}
#: Question -> network -> its score with each rate of ``GRID``, on training draws.
TRIED: dict[str, dict[str, tuple[float, ...]]] = {
    "copies": {
        "plain": (0.340, 0.445, 0.489, 0.511),
        "equal": (0.353, 0.459, 0.505, 0.532),
        "wider": (0.448, 0.504, 0.520, 0.535),
        "deeper": (0.521, 0.551, 0.559, 0.536),
        "mean added": (0.393, 0.464, 0.479, 0.465),
        "lines added": (0.387, 0.468, 0.503, 0.487),
        "SE": (0.309, 0.463, 0.481, 0.516),
        "GSoP": (0.369, 0.475, 0.505, 0.487),
        "SRM": (0.334, 0.500, 0.533, 0.523),
        "GCT": (0.359, 0.480, 0.499, 0.528),
        "ECA": (0.269, 0.437, 0.471, 0.501),
        "GE": (0.397, 0.545, 0.569, 0.574),
        "non-local": (0.385, 0.480, 0.475, 0.402),
        "criss-cross": (0.377, 0.450, 0.451, 0.448),
        "GC": (0.355, 0.445, 0.486, 0.503),
        "self-attention": (0.396, 0.458, 0.504, 0.107),
        "one head": (0.380, 0.441, 0.449, 0.095),
        "DCN": (0.445, 0.485, 0.413, 0.139),
        "SK": (0.347, 0.482, 0.531, 0.532),
        "CBAM": (0.336, 0.462, 0.488, 0.481),
        "DANet": (0.378, 0.447, 0.483, 0.354),
        "coordinate": (0.338, 0.463, 0.511, 0.503),
        "SimAM": (0.312, 0.434, 0.490, 0.493),
    },
    "beacon": {
        "plain": (0.629, 0.631, 0.650, 0.650),
        "equal": (0.632, 0.639, 0.650, 0.651),
        "wider": (0.632, 0.636, 0.649, 0.651),
        "deeper": (0.991, 0.997, 0.993, 0.997),
        "mean added": (0.992, 0.999, 1.000, 1.000),
        "lines added": (0.993, 0.999, 1.000, 1.000),
        "SE": (0.912, 0.999, 1.000, 1.000),
        "GSoP": (0.998, 1.000, 1.000, 1.000),
        "SRM": (0.943, 0.999, 0.999, 0.999),
        "GCT": (0.629, 0.689, 0.998, 0.999),
        "ECA": (0.777, 0.988, 1.000, 1.000),
        "GE": (0.639, 0.733, 0.809, 0.814),
        "non-local": (0.995, 1.000, 1.000, 1.000),
        "criss-cross": (1.000, 1.000, 1.000, 1.000),
        "GC": (0.999, 0.998, 0.999, 0.999),
        "self-attention": (1.000, 1.000, 1.000, 1.000),
        "one head": (1.000, 1.000, 1.000, 0.999),
        "DCN": (0.905, 0.981, 0.994, 0.991),
        "SK": (0.969, 1.000, 1.000, 1.000),
        "CBAM": (0.961, 0.999, 1.000, 1.000),
        "DANet": (1.000, 1.000, 1.000, 1.000),
        "coordinate": (0.724, 0.873, 0.873, 0.882),
        "SimAM": (0.623, 0.632, 0.659, 0.650),
    },
    "rooks": {
        "plain": (0.487, 0.547, 0.569, 0.580),
        "equal": (0.492, 0.550, 0.571, 0.578),
        "wider": (0.547, 0.581, 0.593, 0.602),
        "deeper": (0.728, 0.853, 0.899, 0.926),
        "mean added": (0.533, 0.607, 0.630, 0.646),
        "lines added": (0.878, 0.945, 0.964, 0.967),
        "SE": (0.519, 0.602, 0.636, 0.620),
        "GSoP": (0.529, 0.606, 0.634, 0.626),
        "SRM": (0.539, 0.607, 0.638, 0.661),
        "GCT": (0.489, 0.548, 0.570, 0.585),
        "ECA": (0.517, 0.595, 0.630, 0.643),
        "GE": (0.503, 0.568, 0.609, 0.628),
        "non-local": (0.550, 0.648, 0.695, 0.706),
        "criss-cross": (0.916, 0.954, 0.960, 0.962),
        "GC": (0.499, 0.576, 0.603, 0.625),
        "self-attention": (0.548, 0.654, 0.693, 0.669),
        "one head": (0.566, 0.658, 0.683, 0.652),
        "DCN": (0.685, 0.917, 0.946, 0.953),
        "SK": (0.635, 0.762, 0.821, 0.832),
        "CBAM": (0.510, 0.582, 0.621, 0.645),
        "DANet": (0.544, 0.624, 0.668, 0.687),
        "coordinate": (0.844, 0.941, 0.957, 0.963),
        "SimAM": (0.483, 0.542, 0.563, 0.577),
    },
    "twins": {
        "plain": (0.091, 0.117, 0.084, 0.039),
        "equal": (0.099, 0.119, 0.113, 0.037),
        "wider": (0.113, 0.127, 0.129, 0.077),
        "deeper": (0.080, 0.099, -0.002, -0.001),
        "mean added": (0.285, 0.310, 0.319, 0.322),
        "lines added": (0.291, 0.313, 0.320, 0.321),
        "SE": (0.271, 0.311, 0.251, 0.312),
        "GSoP": (0.293, 0.313, 0.316, 0.220),
        "SRM": (0.316, 0.358, 0.329, 0.312),
        "GCT": (0.093, 0.150, 0.199, 0.099),
        "ECA": (0.280, 0.306, 0.314, 0.318),
        "GE": (0.133, 0.215, 0.235, 0.155),
        "non-local": (0.469, 0.521, 0.159, 0.085),
        "criss-cross": (0.235, 0.261, 0.140, 0.001),
        "GC": (0.218, 0.240, 0.216, 0.106),
        "self-attention": (0.607, 0.781, 0.689, 0.323),
        "one head": (0.710, 0.766, 0.666, 0.323),
        "DCN": (0.249, 0.261, 0.266, -0.001),
        "SK": (0.228, 0.291, 0.312, 0.313),
        "CBAM": (0.190, 0.289, 0.307, 0.312),
        "DANet": (0.274, 0.490, 0.309, -0.001),
        "coordinate": (0.192, 0.230, 0.235, 0.161),
        "SimAM": (0.081, 0.110, 0.112, 0.079),
    },
}
#: Question -> network -> its rate, the best of those tried and of equals the smallest; what is not
#: here has the budget's.
RATES = {
    question: {name: GRID[scores.index(max(scores))] for name, scores in networks.items()}
    for question, networks in TRIED.items()
}


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


def main(names: list[str]) -> None:
    """Try all rates on some questions, and print the scores as JSON."""
    from attncourse.experiments.closing.choosing.experiment import EXPERIMENTS

    found: dict[str, dict[str, list[float]]] = {}
    for experiment in EXPERIMENTS:
        if experiment.name in names:
            budget = replace(experiment.quick, steps=STEPS[experiment.name])
            for name, _, score in tried(experiment, budget):
                found.setdefault(experiment.name, {}).setdefault(name, []).append(round(score, 3))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
