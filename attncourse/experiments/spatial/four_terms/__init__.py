"""Four questions, four terms, and who answers what."""

from attncourse.experiments.spatial.four_terms.experiment import (
    BUDGET,
    CONTROLS,
    EXPERIMENTS,
    TERMS,
)

__all__ = ["BUDGET", "CONTROLS", "EXPERIMENTS", "TERMS"]
