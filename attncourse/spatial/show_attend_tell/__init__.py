"""Hard and soft attention: one mechanism, read as a mean or as a draw.

``module`` is the decoder and its card, ``policy`` what trains it (the losses of both readings and
the doubly stochastic penalty), ``reference`` the decoder in plain loops.
"""

from attncourse.spatial.show_attend_tell.module import (
    CARD,
    ShowAttendTell,
    Told,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.show_attend_tell.policy import (
    coverage_penalty,
    hard_loss,
    reward_to_go,
    soft_loss,
)
from attncourse.spatial.show_attend_tell.reference import show_attend_tell_reference

__all__ = [
    "CARD",
    "ShowAttendTell",
    "Told",
    "coverage_penalty",
    "hard_loss",
    "multiply_adds",
    "parameter_count",
    "reward_to_go",
    "show_attend_tell_reference",
    "soft_loss",
]
