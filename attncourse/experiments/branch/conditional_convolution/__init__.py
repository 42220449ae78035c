"""What mixed kernels do in four worlds, and what the routing sees of them."""

from attncourse.experiments.branch.conditional_convolution.experiment import (
    EXPERIMENTS,
    LONGER,
    ROUTING,
    WORLDS,
)

__all__ = ["EXPERIMENTS", "LONGER", "ROUTING", "WORLDS"]
