"""What every task offers, and the seeds behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache, wraps
from types import FunctionType
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn


def chosen(name: str, value: str, known: Collection[str]) -> None:
    """Refuse what is not among the known values of an attribute.

    Raises:
        ValueError: naming the attribute, the value and the choices.
    """
    if value not in known:
        raise ValueError(f"{name}={value!r} is unknown: choose one of {', '.join(known)}")


@runtime_checkable
class Task(Protocol):
    """A supervised task: seeded training batches and one fixed test set."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Inputs and labels of one batch; the same three numbers give the same batch."""
        ...

    def test_set(self) -> tuple[Tensor, Tensor]:
        """All test inputs and labels; no training batch contains a test example."""
        ...


class Units(NamedTuple):
    """What repeats among test items: the people who were filmed, the digits that were drawn on.

    Items of one unit are right or wrong together more often than chance has it, so that a test
    set tells no more than its units do.  A task whose items stand each for itself has none; one
    that has gives them by a method ``test_units``.

    Attributes:
        name: what the units are, in the plural.
        of: (items,) the unit of every test item, from 0.
    """

    name: str
    of: Tensor


_Task = TypeVar("_Task", bound=type)


def drawn_on_the_processor(task: _Task) -> _Task:
    """A class decorator: a task draws on the CPU, whatever ``torch.set_default_device`` says.

    Batches are a pure function of their seed on every machine, and the generators of a GPU give
    other numbers.  The training loop moves a batch to where the model is.
    """
    for name, method in list(vars(task).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(task, name, _on_the_processor(method))
    return task


def _on_the_processor(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def drawn(*arguments: Any, **options: Any) -> Any:
        with torch.device("cpu"):
            return method(*arguments, **options)

    return drawn


def seeded(*numbers: int) -> torch.Generator:
    """A generator whose stream is fixed by ``numbers`` and unrelated to that of any others."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator("cpu").manual_seed(int(state) >> 1)


@torch.no_grad()
def answers_of(model: nn.Module, x: Tensor, batch_size: int | None = None) -> Tensor:
    """What a model says of ``x``, on the processor, in eval mode; the mode is put back after.

    Args:
        model: with at least one parameter, which tells its device.
        x: test inputs.
        batch_size: answer so many at a time; by default all at once.
    """
    device, training = next(model.parameters()).device, model.training
    model.eval()
    try:
        return torch.cat([model(part.to(device)).cpu() for part in x.split(batch_size or len(x))])
    finally:
        model.train(training)


@drawn_on_the_processor
class DrawnCases:
    """What tasks have in common whose examples are all drawn by one method, ``draw``.

    A task states ``stream``, which tells its batches from those of others, and ``test_seed``, and
    gives ``draw``: examples, answers, and after them what else is known of each example.
    """

    stream: ClassVar[int]
    test_seed: ClassVar[int]
    test_size: int

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw ``size`` examples, their answers, and what else is known of them."""
        raise NotImplementedError

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` examples and their answers."""
        x, y, *_ = self.draw(size, seeded(seed, step, self.stream))
        return x, y

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test examples and their answers."""
        x, y, *_ = self.test_cases()
        return x, y

    def test_cases(self) -> tuple[Tensor, ...]:
        """The test set with what else :meth:`draw` tells of it."""
        return self.draw(self.test_size, seeded(self.test_seed))


@drawn_on_the_processor
class HiddenCases:
    """What tasks have in common that draw on digits and hide something in every example.

    A task states ``stream``, which tells its batches from those of others, and ``test_seed``, and
    gives ``_draw``: examples, labels, what is hidden, and the digit that each example is about.
    """

    stream: ClassVar[int]
    test_seed: ClassVar[int]
    test_size: int

    def _draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raise NotImplementedError

    @property
    def classes(self) -> int:
        """Ten digits."""
        return 10

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` examples and labels, made from training digits."""
        x, y, _ = self.draw(size, seeded(seed, step, self.stream), train=True)
        return x, y

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test examples, made from test digits."""
        x, y, _ = self.test_cases()
        return x, y

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set with what is hidden in each example."""
        return self.draw(self.test_size, seeded(self.test_seed), train=False)

    def test_units(self) -> Units:
        """The digit that each test example is about: a few hundred, each of them often."""
        return Units("digits", self._draw(self.test_size, seeded(self.test_seed), train=False)[3])

    def draw(
        self, size: int, generator: torch.Generator, *, train: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw examples, labels and what is hidden from ``generator``."""
        return self._draw(size, generator, train=train)[:3]


def epoch_batch(count: int, size: int, what: str, seed: int, step: int, *stream: int) -> Tensor:
    """Which of ``count`` examples make up batch ``step``; an epoch's last, short batch is left out.

    Args:
        count: examples in an epoch.
        size: examples in the batch.
        what: what they are called, for the message.
        seed: of the run.
        step: number of the batch.
        stream: tells this use of the seed from others of the same task.

    Raises:
        ValueError: if an epoch has too few examples for one batch.
    """
    if size > count:
        raise ValueError(f"size={size} exceeds the {count} {what}: use a smaller one")
    epoch, place = divmod(step, count // size)
    return _order(count, seed, epoch, *stream)[place * size : (place + 1) * size]


@lru_cache(maxsize=8)
def _order(count: int, *numbers: int) -> Tensor:
    return torch.randperm(count, generator=seeded(*numbers), device="cpu")
