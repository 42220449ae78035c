"""What a gater brings to a small backbone, along its penalty and against its rivals."""

from attncourse.experiments.channel.gater.experiment import (
    EXPERIMENTS,
    FILTERS,
    GATES,
    LAMBDA,
    LAMBDAS,
    NARROWER,
)

__all__ = ["EXPERIMENTS", "FILTERS", "GATES", "LAMBDA", "LAMBDAS", "NARROWER"]
