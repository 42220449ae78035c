"""Experiments on criss-cross attention: what its pattern brings, and what its weights."""

from attncourse.experiments.spatial.criss_cross.experiment import (
    BEACON,
    EXPERIMENTS,
    IN_LINE,
    ROOKS,
)

__all__ = ["BEACON", "EXPERIMENTS", "IN_LINE", "ROOKS"]
