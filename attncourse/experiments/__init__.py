"""An experiment: one task, several variants of a network, an equal budget, several seeds."""

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.register import all_experiments, experiments_of
from attncourse.experiments.results import Results, Summary, difference, published, summarise
from attncourse.experiments.runner import record

__all__ = [
    "Experiment",
    "Results",
    "Summary",
    "Variant",
    "all_experiments",
    "difference",
    "experiments_of",
    "published",
    "record",
    "summarise",
]
