"""Draw the inputs of an exercise, with what is expected on them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from attncourse.exercises.compare import describe
from attncourse.exercises.gradients import Slope, gradients, leaves_of
from attncourse.exercises.learner import call
from attncourse.exercises.remedies import Inputs, Sample, copies
from attncourse.exercises.verdict import NotAttempted, Stop
from attncourse.tasks import seeded

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One kind of input.

    Attributes:
        label: what is special about it, in a few words.
        draw: generator -> inputs by name, in the order of the function's arguments.
    """

    label: str
    draw: Callable[[torch.Generator], Inputs]


@dataclass(frozen=True)
class Drawn:
    """One case, drawn, with what is expected."""

    case: Case
    inputs: Inputs
    wanted: Any
    details: tuple[tuple[str, str], ...]

    def sample(self, value: Tensor) -> Sample:
        """The result ``value`` beside the expected one."""
        kind = None if isinstance(self.wanted, Tensor) else value.dtype
        expected = torch.as_tensor(self.wanted, dtype=kind).detach()
        return Sample(self.inputs, expected, value.detach())


class Asking(Protocol):
    """What is needed of an exercise to draw its inputs."""

    @property
    def reference(self) -> Function:
        """The right answer."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """Its inputs."""

    @property
    def gradients(self) -> tuple[str, ...] | None:
        """Inputs whose gradient counts."""

    def __hash__(self) -> int: ...


def alternating(values: Tensor) -> Tensor:
    """``values`` with the other sign at every second place of the last axis, from the first on.

    What is drawn with one sign alone tells nothing of a sign that was lost.
    """
    return values * (2 * (torch.arange(values.shape[-1]) % 2) - 1).to(values.dtype)


def value_of(function: Function, inputs: Inputs) -> Tensor | None:
    """What ``function`` gives on copies of ``inputs``; ``None`` where it gives no tensor."""
    try:
        value = call(function, copies(inputs)).value
        return torch.as_tensor(value).detach()
    except (Stop, NotAttempted, TypeError, ValueError, RuntimeError):
        return None


# Several answers are tried on one seed, in the tests above all: draws are kept for a moment.
@functools.lru_cache(maxsize=8)
def draw_all(exercise: Asking, seed: int) -> tuple[Drawn, ...]:
    """Every case of an exercise, drawn from a seed."""
    questions = []
    for number, case in enumerate(exercise.cases):
        inputs = case.draw(seeded(seed, number))
        place = f"case {number + 1} of {len(exercise.cases)}: {case.label}; seed={seed}"
        rows = (("Input", f"{describe(inputs)} ({place})"),)
        wanted = exercise.reference(*copies(inputs).values())
        questions.append(Drawn(case, inputs, wanted, rows))
    return tuple(questions)


@functools.lru_cache(maxsize=64)
def slope_of(exercise: Asking, seed: int, number: int) -> Slope | None:
    """The gradients to compare on a case; ``None`` if there are none."""
    if exercise.gradients == ():
        return None
    leaves = leaves_of(draw_all(exercise, seed)[number].inputs, exercise.gradients)
    result = exercise.reference(*leaves.values())
    if not (isinstance(result, Tensor) and result.requires_grad):
        return None
    names = [k for k, v in leaves.items() if isinstance(v, Tensor) and v.requires_grad]
    weights = torch.randn(
        result.shape, generator=seeded(seed, len(exercise.cases)), dtype=result.dtype
    )
    return Slope(gradients(result, leaves, names, weights), weights)
