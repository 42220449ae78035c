"""An experiment: one task, several variants of a network, an equal budget, several seeds."""

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.comparisons import Comparison
from attncourse.experiments.jobs import record_in_jobs
from attncourse.experiments.ledger import Cell, Ledger, cells_of
from attncourse.experiments.register import all_experiments, every_experiment_of, experiments_of
from attncourse.experiments.results import Results, published
from attncourse.experiments.runner import record
from attncourse.experiments.scores import ACCURACY, Score
from attncourse.experiments.shards import ShardLedger, cells_of_shard, merge, shard_folder
from attncourse.experiments.summaries import Difference, Scale, Summary, difference, summarise

__all__ = [
    "ACCURACY",
    "Cell",
    "Comparison",
    "Difference",
    "Experiment",
    "Ledger",
    "Results",
    "Scale",
    "Score",
    "ShardLedger",
    "Summary",
    "Variant",
    "all_experiments",
    "cells_of",
    "cells_of_shard",
    "difference",
    "every_experiment_of",
    "experiments_of",
    "merge",
    "published",
    "record",
    "record_in_jobs",
    "shard_folder",
    "summarise",
]
