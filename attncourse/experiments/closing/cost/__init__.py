"""The experiment of the chapter on cost: predict the time of a step, then measure it."""

from attncourse.experiments.closing.cost.blocks import BLOCKS, Block, Case, cases, step_of
from attncourse.experiments.closing.cost.experiment import (
    EXPERIMENTS,
    SHAPES,
    TASK,
    VARIANTS,
    score_again,
    times_in,
)
from attncourse.experiments.closing.cost.predictors import (
    after_constants,
    after_one_factor,
    band,
    octaves,
    order_kept,
)

__all__ = [
    "BLOCKS",
    "EXPERIMENTS",
    "SHAPES",
    "TASK",
    "VARIANTS",
    "Block",
    "Case",
    "after_constants",
    "after_one_factor",
    "band",
    "cases",
    "octaves",
    "order_kept",
    "score_again",
    "step_of",
    "times_in",
]
