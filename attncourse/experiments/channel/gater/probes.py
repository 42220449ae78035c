"""What the gates of a trained network hold: how often each is on, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.experiments.channel.gater.nets import GATES, FilterNet
from attncourse.experiments.summaries import SeedScores
from attncourse.tasks.base import Units, seeded
from attncourse.tasks.four_worlds import FourWorlds

Match = Callable[[Tensor, Tensor], Tensor]
#: Whose gates an image gets: (same digit, same style) of all pairs -> who may give.
GIVERS: dict[str, Match] = {
    "same digit and style": lambda digit, style: digit & style,
    "same digit, other style": lambda digit, style: digit & ~style,
    "same style, other digit": lambda digit, style: style & ~digit,
}
#: What is recorded for each test image, in this order.
PARTS = ("own", *GIVERS, "answers the giver's digit")


@cache
def givers() -> dict[str, Tensor]:
    """For each kind an index into the test set for every test image, drawn once."""
    _, digits, styles = FourWorlds().test_cases()
    digit, style = digits[:, None] == digits, styles[:, None] == styles
    one = torch.eye(len(digits), dtype=torch.bool)
    generator = seeded(14_000, 2)
    return {
        name: torch.multinomial((match(digit, style) & ~one).float(), 1, generator=generator)[:, 0]
        for name, match in GIVERS.items()
    }


@torch.no_grad()
def gates_of(model: nn.Module, x: Tensor) -> Tensor:
    """The gates of every image, (b, k)."""
    assert isinstance(model, FilterNet)
    device = next(model.parameters()).device
    gates: Tensor = model.eval().net.g(x.to(device))
    return gates


@torch.no_grad()
def swapped(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Right answers with one's own gates and with those of others, part by part, (5 * n,)."""
    gates = gates_of(model, x)
    assert isinstance(model, FilterNet)
    x, y = x.to(gates.device), y.to(gates.device)
    found = [model.read(gates, x).argmax(dim=1) == y]
    answers = y
    for giver in givers().values():
        answers = model.read(gates[giver], x).argmax(dim=1)
        found.append(answers == y)
    found.append(answers == y[givers()["same style, other digit"]])
    return torch.cat(found).float().cpu()


@torch.no_grad()
def on_rates(model: nn.Module, x: Tensor) -> Tensor:
    """How often each gate is on, (k,)."""
    return gates_of(model, x).mean(dim=0).cpu()


def looked_into(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """:func:`swapped`, then :func:`on_rates`, (5 * n + k,)."""
    return torch.cat([swapped(model, x, y), on_rates(model, x)])


def units_looked_into(task: FourWorlds) -> Units:
    """The digit behind each answer, and a number of its own for each gate."""
    one = task.test_units()
    gates = int(one.of.max()) + 1 + torch.arange(GATES)
    return Units(one.name, torch.cat([one.of.repeat(len(PARTS)), gates]))


def rates_of(recorded: SeedScores) -> dict[int, Any]:
    """Seed -> the recorded :func:`on_rates`, (k,)."""
    return {seed: items[-GATES:] for seed, items in recorded.by_item.items()}


def by_giver(recorded: SeedScores) -> dict[str, SeedScores]:
    """Part of :data:`PARTS` -> the recorded :func:`swapped` of it alone.

    Raises:
        ValueError: if a seed has no items.
    """
    if recorded.units is None or set(recorded.by_item) != set(recorded):
        raise ValueError("the answers were recorded without their items: record them again")
    count, found = (len(recorded.units) - GATES) // len(PARTS), {}
    for n, name in enumerate(PARTS):
        part = slice(n * count, (n + 1) * count)
        items = {seed: values[part] for seed, values in recorded.by_item.items()}
        means = {seed: float(values.mean()) for seed, values in items.items()}
        found[name] = SeedScores(
            means, recorded.scale, items, recorded.units[part], recorded.unit_name
        )
    return found
