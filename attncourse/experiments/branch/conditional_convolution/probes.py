"""What moves the routing of a trained network: a turn of the picture, or its inversion."""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
from torch import Tensor, nn

from attncourse.experiments.branch.conditional_convolution.nets import WorldNet
from attncourse.experiments.summaries import SeedScores
from attncourse.tasks.base import Units
from attncourse.tasks.four_worlds import FourWorlds

#: What is done to a picture -> its style afterwards.
CHANGES = {"turned": 1, "inverted": 2}
LAYERS = (1, 2, 3)
_COUNT = 400


@cache
def pictures() -> Tensor:
    """The same digits in all styles, (styles, 400, 1, 8, 8)."""
    return FourWorlds().in_every_style(_COUNT)


def moved(model: nn.Module, change: str) -> list[Tensor]:
    """By how much a change moves the weights, the mean over the kernels: (400,) for each layer."""
    assert isinstance(model, WorldNet)
    device = next(model.parameters()).device
    shown = pictures()[[0, CHANGES[change]]].to(device)
    with torch.no_grad():
        before, after = (model.routing(x) for x in shown)
    return [(a - b).abs().mean(dim=1).cpu() for a, b in zip(after, before, strict=True)]


def answers(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """:func:`moved` by both changes, layer by layer, (2 * 3 * 400,)."""
    del x, y
    return torch.cat([part for change in CHANGES for part in moved(model, change)])


def units_of_answers(task: FourWorlds) -> Units:
    """The digit behind each number of :func:`answers`."""
    one = task.units_in_every_style(_COUNT)
    return Units(one.name, one.of.repeat(len(CHANGES) * len(LAYERS)))


def by_change(recorded: SeedScores) -> dict[tuple[str, int], SeedScores]:
    """(change, layer) -> the recorded :func:`answers` to it alone.

    Raises:
        ValueError: if a seed has no items.
    """
    if recorded.units is None or set(recorded.by_item) != set(recorded):
        raise ValueError("the answers were recorded without their items: record them again")
    found = {}
    for n, key in enumerate(product(CHANGES, LAYERS)):
        part = slice(n * _COUNT, (n + 1) * _COUNT)
        items = {seed: values[part] for seed, values in recorded.by_item.items()}
        means = {seed: float(values.mean()) for seed, values in items.items()}
        found[key] = SeedScores(
            means, recorded.scale, items, recorded.units[part], recorded.unit_name
        )
    return found
