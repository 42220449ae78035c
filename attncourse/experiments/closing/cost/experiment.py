"""Predict the time of a training step, then measure it: no network is trained here.

A variant is a rule that predicts; a seed is a process that measures all cases anew.  The score is
the share of cases whose time lies within a factor of two of the prediction.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.closing.cost.blocks import BLOCKS, Case, Shape, Times, cases, measured
from attncourse.experiments.closing.cost.predictors import (
    Predictor,
    Rule,
    after_constants,
    after_one_factor,
    by_adds_and_traffic,
    by_bytes,
    by_multiply_adds,
    by_operators,
    by_parameters,
    by_roofline,
    by_roofline_and_calls,
    by_sum,
    by_traffic,
    octaves,
)
from attncourse.experiments.results import Results
from attncourse.experiments.runner import record
from attncourse.experiments.scores import Measured, Score
from attncourse.roofline import Speeds
from attncourse.tasks import Task, Units
from attncourse.training import Budget, Run

if TYPE_CHECKING:
    from accelerate import Accelerator

#: Chosen after a trial at other sizes: 2 x 64 x 56 x 56, 4 x 128 x 28 x 28 and so on.
SHAPES: tuple[Shape, ...] = ((2, 64, 48, 48), (4, 128, 24, 24), (4, 256, 12, 12), (8, 512, 8, 8))


@dataclass(frozen=True)
class StepTimes:
    """The cases, as a task whose inputs are their numbers and whose units are the blocks.

    Attributes:
        shapes: the sizes.
    """

    shapes: tuple[Shape, ...] = SHAPES

    classes = 2  # within a factor of two, or not

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """All cases: nothing is drawn."""
        return self.test_set()

    def test_set(self) -> tuple[Tensor, Tensor]:
        """Numbers of the cases, (n,), and the multiply-adds of their steps by the formulas."""
        found = self.cases()
        return torch.arange(len(found)), torch.tensor([case.multiply_adds for case in found])

    def test_units(self) -> Units:
        """A block at several sizes is right or wrong together."""
        names = [block.name for block in BLOCKS]
        return Units("blocks", torch.tensor([names.index(case.block) for case in self.cases()]))

    def cases(self) -> tuple[Case, ...]:
        """What the numbers count."""
        return cases(self.shapes)


TASK = StepTimes()


@cache
def times_of(seed: int, repeats: int) -> Times:
    """What process ``seed`` measured; a new process for each, on one thread."""
    here = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=here) as process:
        return process.submit(measured, seed, repeats, SHAPES).result()


def within_two(off: np.ndarray) -> Tensor:
    """One for each case at most one octave off, up or down."""
    return torch.from_numpy((np.abs(off) <= 1).astype(np.float64))


#: What is taken from the other blocks before a rule is scored.
NOTHING, FACTOR, CONSTANTS = "nothing", "a factor", "a factor and an exponent"


@dataclass(frozen=True)
class Prediction(Experiment):
    """An experiment that measures where others train.

    Attributes:
        fitted: what each prediction is given from the other blocks.
        rates: how many rates of products the rules are told: that of a large matrix product for
            all, or that of a convolution beside it.
        known: seed -> what a process measured before, which is then not measured again.
    """

    fitted: str = NOTHING
    rates: int = 1
    known: Mapping[int, Times] = field(default_factory=dict)

    def off(self, predictor: nn.Module, times: Times) -> np.ndarray:
        """By how many octaves a rule misses what was measured; (n,)."""
        numbers, _ = TASK.test_set()
        told = predictor(numbers, self.told(times.speeds)).numpy()
        units, seconds = TASK.test_units().of.numpy(), np.array(times.seconds)
        if self.fitted == CONSTANTS:
            return after_constants(seconds, told, units)
        off = octaves(seconds, told)
        return after_one_factor(off, units) if self.fitted == FACTOR else off

    def told(self, speeds: Speeds) -> Speeds:
        """What the rules know of a machine's speeds."""
        if self.rates == 2:
            return speeds
        return replace(speeds, rate=speeds.of_products or speeds.rate, of_products=None)

    def measure(
        self,
        variant: str,
        seed: int,
        *,
        budget: Budget | None = None,
        task: Task | None = None,
        checkpoint: Path | None = None,
        accelerator: Accelerator | None = None,
    ) -> tuple[Run, Measured]:
        """Compare one rule with what process ``seed`` measured.

        The first variant's runs of one experiment, :data:`KEEPER`, keep the
        seconds and the speeds.  ``budget.steps`` is how often each case is timed.  The other
        arguments have no meaning here.
        """
        repeats = (budget or self.quick).steps
        started = time.perf_counter()
        times = self.known.get(seed) or times_of(seed, repeats)
        model = self.variant(variant).build()
        off = self.off(model, times)
        kept: dict[str, Any] | None = None
        if self.name == KEEPER and variant == self.variants[0].name:
            kept = {
                "speeds": asdict(times.speeds),
                "seconds": [float(f"{s:.4g}") for s in times.seconds],
            }
        run = Run(model, [float(np.abs(off).mean())], time.perf_counter() - started, "cpu")
        return run, replace(Measured.of(within_two(off)), kept=kept)


#: Whose runs keep what was measured.
KEEPER = "as_it_stands"


def times_in(recorded: Results) -> dict[int, Times]:
    """Seed -> what its process measured, from recorded runs."""
    runs = recorded.experiments[KEEPER]["runs"]
    return {
        run["seed"]: Times(Speeds(**run["kept"]["speeds"]), tuple(run["kept"]["seconds"]))
        for run in runs
        if run.get("kept")
    }


def score_again(recorded: Results, out: Path, say: Callable[[str], None] = print) -> Results:
    """Score every rule anew on the seconds that were recorded: nothing is timed.

    For rules that are added or changed after the recording.

    Args:
        recorded: where the seconds are kept.
        out: the new results file, which must not exist.
        say: gets one line for each run.
    """
    if out.exists():
        raise ValueError(f"{out} is there already: name a new file")
    known = times_in(recorded)
    again = [replace(experiment, known=known) for experiment in EXPERIMENTS]
    return record(recorded.chapter, again, sorted(known), out, say=say)


def _refuse(model: Any, x: Tensor, y: Tensor) -> Tensor:
    raise TypeError("a prediction is scored by its experiment's own measure")


def _mean_octave(predicted: Tensor, _: Tensor) -> Tensor:
    """Where a rule stands before anything is measured, for the record of how a run starts."""
    return predicted.log2().mean()


def _variant(name: str, role: str, rule: Rule, why: str) -> Variant:
    return Variant(name, role, partial(Predictor, rule, TASK.cases), why)


VARIANTS = (
    _variant("multiply-adds", "plain", by_multiply_adds, "the number that papers print"),
    _variant("parameters", "ablation", by_parameters, "the other number that papers print"),
    _variant("input and output", "ablation", by_bytes, "memory alone: what must be moved"),
    _variant("roofline", "mechanism", by_roofline, "the greater of arithmetic and memory"),
    _variant("roofline and calls", "ablation", by_roofline_and_calls, "do small calls add up?"),
    _variant("traffic of operators", "ablation", by_traffic, "memory alone, as eager mode moves"),
    _variant("operator by operator", "mechanism", by_operators, "the roofline of each operator"),
    _variant("plain sum", "ablation", by_sum, "is there need for the greater of both?"),
)
#: Has two exponents, and so says nothing without a fit.
_TWO = _variant("adds and traffic", "ablation", by_adds_and_traffic, "two counts, two exponents")
_BUDGET = Budget(steps=5, batch_size=1)
_DATA = "random numbers, float32, one thread"


def _prediction(
    name: str, question: str, fitted: str, rates: int = 1, more: tuple[Variant, ...] = ()
) -> Prediction:
    return Prediction(
        name=name,
        question=question,
        task=StepTimes,
        variants=(*VARIANTS, *more),
        quick=_BUDGET,
        full=_BUDGET,
        data=_DATA,
        loss=_mean_octave,
        score=Score(_refuse, bounds=(0.0, 1.0)),
        metric="share within a factor of two",
        matters=0.1,
        fitted=fitted,
        rates=rates,
    )


EXPERIMENTS = (
    _prediction(
        KEEPER,
        "Which count, at the machine's own speeds, tells the time of a step to a factor of two?",
        NOTHING,
    ),
    _prediction(
        "two_rates",
        "And which does, if rules that know the operators are told a convolution's rate as well?",
        NOTHING,
        rates=2,
    ),
    _prediction(
        "after_one_factor",
        "And which does, if one factor for all blocks and sizes is taken from other blocks?",
        FACTOR,
    ),
    _prediction(
        "after_two_constants",
        "And which does, if a factor and an exponent are taken from other blocks?",
        CONSTANTS,
        more=(_TWO,),
    ),
)
