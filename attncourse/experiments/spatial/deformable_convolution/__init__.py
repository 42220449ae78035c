"""What taps that move find, and when a slope tells them where to go."""

from attncourse.experiments.spatial.deformable_convolution.experiment import (
    DIGITS,
    EXPERIMENTS,
    FAR,
    FAR_ALONE,
    FAR_IN_NOISE,
    FOLLOW,
    NOISE,
    first_input,
    spread,
)

__all__ = [
    "DIGITS",
    "EXPERIMENTS",
    "FAR",
    "FAR_ALONE",
    "FAR_IN_NOISE",
    "FOLLOW",
    "NOISE",
    "first_input",
    "spread",
]
