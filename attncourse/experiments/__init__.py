"""An experiment: one task, several variants of a network, an equal budget, several seeds."""

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.jobs import record_in_jobs
from attncourse.experiments.ledger import Cell, Ledger, cells_of
from attncourse.experiments.register import all_experiments, every_experiment_of, experiments_of
from attncourse.experiments.results import Results, Summary, difference, published, summarise
from attncourse.experiments.runner import record
from attncourse.experiments.shards import ShardLedger, cells_of_shard, merge, shard_folder

__all__ = [
    "Cell",
    "Experiment",
    "Ledger",
    "Results",
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
