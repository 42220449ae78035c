"""What moves the weights of a trained selective kernel: the size of a digit, or its ink.

Every picture below shows the same 400 test digits.  Some changes move their size, others move how
much there is to see and leave the size alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from attncourse.experiments.branch.selective_kernel.nets import ScaleNet
from attncourse.experiments.summaries import SeedScores
from attncourse.tasks.base import Units
from attncourse.tasks.object_scale import ObjectScale

_TASK = ObjectScale()
_SMALL, _LARGE = _TASK.sides[0], _TASK.sides[-1]
_CONTRAST = 2.5

#: Change -> the pictures after it.  A digit of 20 pixels has 6.25 times the ink, the sum over all
#: pixels, of one of 8 pixels; six copies have 6 times, nine copies 9 times as much.
CHANGES: dict[str, Callable[[], Tensor]] = {
    "elsewhere": lambda: _TASK.enlarged(_SMALL)[0].roll((4, 4), dims=(2, 3)),
    "larger": lambda: _TASK.enlarged(_LARGE)[0],
    "larger and fainter": lambda: _TASK.enlarged(_LARGE, contrast=(_SMALL / _LARGE) ** 2)[0],
    "six copies": lambda: _TASK.repeated(6)[0],
    "nine copies": lambda: _TASK.repeated(9)[0],
    "more contrast": lambda: _TASK.enlarged(_SMALL, contrast=_CONTRAST)[0],
}


def preference(model: nn.Module, images: Tensor) -> Tensor:
    """How far the second branch outweighs the first, for each image.

    Returns:
        (images,) means over the channels of the first selective kernel.
    """
    assert isinstance(model, ScaleNet)
    with torch.no_grad():
        first, _ = model.attention(images.to(next(model.parameters()).device))
    return (first[:, -1] - first[:, 0]).mean(dim=1).cpu()


@cache
def pictures(change: str) -> Tensor:
    """The digits after a change, (400, 1, 24, 24)."""
    return CHANGES[change]()


def moved(model: nn.Module, change: str) -> Tensor:
    """By how much a change of the small digits moves the preference, (400,)."""
    return preference(model, pictures(change)) - preference(model, _TASK.enlarged(_SMALL)[0])


def rise(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Preference for the second branch at the largest side, less at the smallest, (400,)."""
    del x, y  # The same digits are shown at both sides, which a test set does not do.
    return moved(model, "larger")


def answers(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """:func:`moved` by each change in turn, (changes * 400,)."""
    del x, y
    return torch.cat([moved(model, change) for change in CHANGES])


def units_of_answers(task: ObjectScale) -> Units:
    """The digit on each picture of :func:`answers`."""
    one = task.enlarged_units()
    return Units(one.name, one.of.repeat(len(CHANGES)))


def by_change(recorded: SeedScores) -> dict[str, SeedScores]:
    """Change -> the recorded :func:`answers` to it alone.

    Raises:
        ValueError: if a seed has no items.
    """
    if recorded.units is None or set(recorded.by_item) != set(recorded):
        raise ValueError("the answers were recorded without their items: record them again")
    count = len(recorded.units) // len(CHANGES)
    found = {}
    for n, change in enumerate(CHANGES):
        part = slice(n * count, (n + 1) * count)
        items = {seed: values[part] for seed, values in recorded.by_item.items()}
        means = {seed: float(values.mean()) for seed, values in items.items()}
        found[change] = SeedScores(
            means, recorded.scale, items, recorded.units[part], recorded.unit_name
        )
    return found
