"""Six sealed blocks, and the exercise that asks what each of them attends to.

Every block maps a clip of positive numbers, (t, c, h, w), to the same shape by a product with
its gate.  Dividing the output by the input shows the gate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.choice import TableExercise
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.foundations.what_is_attention.softmax import CHAPTER

_SHARPNESS = 4.0


def _gate(x: Tensor, *axes: int) -> Tensor:
    """One gate for each index of ``axes``, from the mean over all other axes."""
    others = tuple(axis for axis in range(x.ndim) if axis not in axes)
    mean = x.mean(dim=others, keepdim=True)
    spread = mean.std().clamp_min(1e-6) if mean.numel() > 1 else 1.0
    return torch.sigmoid(_SHARPNESS * (mean - mean.mean()) / spread)


def _centre(x: Tensor) -> Tensor:
    """A mask that is large in the middle of the map, whatever is in ``x``."""
    rows, columns = (torch.linspace(-1, 1, n, dtype=x.dtype) for n in x.shape[2:])
    return torch.exp(-(rows[:, None] ** 2) - columns[None, :] ** 2).expand(1, 1, -1, -1)


#: Letter -> block; the letters are in no order that would tell.
BLOCKS: dict[str, Callable[[Tensor], Tensor]] = {
    "A": lambda x: _gate(x, 2, 3) * x,
    "B": lambda x: _gate(x, 1) * x,
    "C": lambda x: _gate(x, 0, 2, 3) * x,
    "D": lambda x: _centre(x) * x,
    "E": lambda x: x.shape[0] * (_SHARPNESS * x.mean(dim=(1, 2, 3), keepdim=True)).softmax(0) * x,
    "F": lambda x: _gate(x, 1) * _gate(x, 2, 3) * x,
}

PROBE = TableExercise(
    chapter=CHAPTER,
    name="probe",
    title="Probe six sealed blocks",
    level=3,
    task="For each block of `BLOCKS` name the axes that its attention tells apart: what "
    "(channels), where (positions), when (frames), or several. A block that does not look at "
    "its input gets `()`.",
    hints=(
        "Each block multiplies a clip (t, c, h, w) by a gate. Feed it random positive numbers "
        "and divide the output by the input: along which axes does the quotient change?",
        "`gate.std(dim=1).max()` is zero if the gate is the same for all channels. Take the axes "
        "2 and 3 together for the positions.",
        "Attention looks. Feed a second random clip: a block whose gate stays the same decides "
        "nothing.",
    ),
    explanation="The shape of the gate names the category, but only after you made sure that the "
    "gate depends on the input.",
    labels=("what", "where", "when"),
    truth={
        "A": frozenset({"where"}),
        "B": frozenset({"what"}),
        "C": frozenset({"where", "when"}),
        "D": frozenset(),
        "E": frozenset({"when"}),
        "F": frozenset({"what", "where"}),
    },
    misconceptions=(
        Misconception(
            "a fixed mask taken for attention",
            "The mask of block D differs from position to position, but it is the same for every "
            "clip. Nothing was decided from x.",
            ("D", "where"),
        ),
        Misconception(
            "a look at one frame only",
            "Within a frame the gate of block C tells positions apart. Compare one position in "
            "two frames as well.",
            ("C", "when"),
        ),
        Misconception(
            "a look at one position only",
            "The gate of block C changes from frame to frame, and within a frame too.",
            ("C", "where"),
        ),
        Misconception(
            "a look at one channel only",
            "In each channel the gate of block F is a map. Compare the maps of two channels: they "
            "differ by a factor.",
            ("F", "what"),
        ),
        Misconception(
            "a product taken for one of its factors",
            "The gate of block F differs between channels, and between positions as well.",
            ("F", "where"),
        ),
        Misconception(
            "another clip taken for another frame",
            "The gate of block A changes with the clip, as attention must. Within a clip all "
            "frames share it.",
            ("A", "when"),
        ),
        Misconception(
            "another clip taken for another position",
            "The gate of block B changes with the clip, as attention must. All positions of a "
            "channel share it.",
            ("B", "where"),
        ),
    ),
)
