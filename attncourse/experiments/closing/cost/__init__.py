"""The experiment of the chapter on cost: predict the time of a step, then measure it."""

from attncourse.experiments.closing.cost.blocks import BLOCKS, Block, Case, cases, step_of
from attncourse.experiments.closing.cost.experiment import EXPERIMENTS, SHAPES, TASK, VARIANTS
from attncourse.experiments.closing.cost.predictors import (
    after_one_factor,
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
    "after_one_factor",
    "cases",
    "octaves",
    "order_kept",
    "step_of",
]
