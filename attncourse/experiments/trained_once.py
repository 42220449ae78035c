"""Several scores of the same trained networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attncourse.experiments.base import Experiment
from attncourse.experiments.scores import Measured, Score
from attncourse.training import Run

#: (build, seed, budget) -> its run, within this process.
TRAINED: dict[Any, Run] = {}


@dataclass(frozen=True)
class TrainedOnce(Experiment):
    """An experiment whose variants are trained once and scored by all of its kind.

    A variant that stands in two of them is the same network, trained in the same way, so that a
    second training would give the same run again.
    """

    def measure(self, variant: str, seed: int, **options: Any) -> tuple[Run, Measured]:
        """Train, or take the run that another score has trained; then score it."""
        key = (self.variant(variant).build, seed, options.get("budget") or self.quick)
        if key not in TRAINED:
            run, measured = super().measure(variant, seed, **options)
            TRAINED[key] = run
            return run, measured
        run, task = TRAINED[key], options.get("task") or self.task()
        assert isinstance(self.score, Score)
        return run, self.score.measure(run.model, *task.test_set())
