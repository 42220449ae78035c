"""How a network is scored: one number for each test item, and their mean.

Every score of the course is a mean over test items by construction, so that an interval can
resample them without a new training:

- an accuracy is the mean of 0 and 1;
- a share of explained variance is the mean of what each image contributes to it;
- a mean IoU or a slope is no mean of that kind.  Its items are the score plus the influence of
  each item on it, which add up to zero (the infinitesimal jackknife).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.tasks import Task, Units
from attncourse.training import correct


@dataclass(frozen=True)
class Measured:
    """What a trained network scored.

    Attributes:
        value: the score.
        items: (n,) in float64, one number for each test item, whose mean is the score; ``None``
            if the experiment keeps none.
        kept: what else the run is recorded with, as JSON has it.
    """

    value: float
    items: Tensor | None = None
    kept: dict[str, Any] | None = None

    @classmethod
    def of(cls, items: Tensor) -> Measured:
        """The items with their mean."""
        items = items.detach().cpu().to(torch.float64)
        return cls(math.fsum(items.tolist()) / len(items), items)


def units_of_test_set(task: Task) -> Units | None:
    """What repeats among the items of the task's own test set, as the task says itself."""
    units: Units | None = task.test_units() if hasattr(task, "test_units") else None
    return units


@dataclass(frozen=True)
class Score:
    """A score that knows its test items.

    Attributes:
        items: (model, test inputs, test targets) -> (n,), one number for each item; the score is
            their mean, larger is better.
        bounds: least and largest value that the score can have, ``None`` where there is none.
        units: task -> what repeats among the items, or ``None``.

    Raises:
        ValueError: if the bounds are not a range.
    """

    items: Callable[[nn.Module, Tensor, Tensor], Tensor]
    bounds: tuple[float | None, float | None] = (None, None)
    units: Callable[..., Units | None] = units_of_test_set

    def __post_init__(self) -> None:
        low, high = self.bounds
        if low is not None and high is not None and not low < high:
            raise ValueError(f"bounds={self.bounds} must be a range, such as (0, 1)")

    def measure(self, model: nn.Module, x: Tensor, y: Tensor) -> Measured:
        """Score a network and keep the items.

        Raises:
            ValueError: if ``items`` does not give one number an item.
        """
        items = self.items(model, x, y)
        if items.ndim != 1 or not len(items):
            raise ValueError(
                f"items have the shape {tuple(items.shape)}: return one number for each test "
                f"item, (n,)"
            )
        return Measured.of(items)

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> float:
        """The score alone."""
        return self.measure(model, x, y).value


#: Share of right answers.
ACCURACY = Score(correct, bounds=(0.0, 1.0))
