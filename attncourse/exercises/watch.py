"""Watch a learner's code while it runs: how large its tensors are, how many products it takes,
what it calls of torch, whether it loops, and whether it asks autograd.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attncourse.exercises.drawing import Drawn
from attncourse.exercises.learner import call
from attncourse.exercises.remedies import Inputs, copies
from attncourse.exercises.verdict import not_yet
from attncourse.measure import count_products

#: What reaches autograd: `Tensor.backward` and `torch.func.grad` come through these two as well.
_DOORS = ("grad", "backward")


class Largest(TorchDispatchMode):
    """Keeps the shape of the largest tensor that is made, a view counted as what it looks at.

    Views of what was ``given`` do not count, because nothing is made for them.  Attention that is
    fused makes no map and does the whole exercise: ``fused`` says whether it was called.
    """

    def __init__(self, given: Iterable[Any] = ()) -> None:
        super().__init__()
        tensors = [value for value in given if isinstance(value, Tensor)]
        self._given = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        self.fused = False
        self.numbers = 0
        self.shape: tuple[int, ...] = ()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.fused |= "scaled_dot_product" in func.__name__
        for tensor in tree_leaves(made):
            if not isinstance(tensor, Tensor):
                continue
            if tensor.untyped_storage().data_ptr() not in self._given:
                numbers = tensor.untyped_storage().nbytes() // tensor.element_size()
                if numbers > self.numbers:
                    self.numbers, self.shape = numbers, tuple(tensor.shape)
        return made


class Called(TorchDispatchMode):
    """Keeps the names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


class Multiplied(TorchDispatchMode):
    """Counts the products of two tensors, number by number."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func.__name__.partition(".")[0].strip("_") in ("mul", "addcmul"):
            self.count += made.numel() * all(isinstance(a, Tensor) for a in args[:2])
        return made


class Calls(TorchFunctionMode):
    """Counts the calls of torch's functions."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def autograd_noted() -> Iterator[list[str]]:
    """The names of autograd's functions that are called inside."""
    asked: list[str] = []
    originals = {name: getattr(torch.autograd, name) for name in _DOORS}

    def noted(name: str) -> Callable[..., Any]:
        def door(*arguments: Any, **options: Any) -> Any:
            asked.append(name)
            return originals[name](*arguments, **options)

        return door

    for name in _DOORS:
        setattr(torch.autograd, name, noted(name))
    try:
        yield asked
    finally:
        for name, original in originals.items():
            setattr(torch.autograd, name, original)


def demand_no_autograd(answer: Callable[..., Any], question: Drawn) -> None:
    """Raise if a right answer did not derive the gradient but asked for it."""
    with autograd_noted() as asked:
        call(answer, copies(question.inputs), question.details)
    if asked:
        raise not_yet(
            "The values are right, but autograd found them. Derive the gradient and write it "
            "down: the formula is what this exercise asks for.",
            misconception="autograd in place of a derivation",
            details=(("Your code calls", f"torch.autograd.{asked[0]}"), *question.details),
            inputs=question.inputs,
        )


def demand_own(answer: Callable[..., Any], question: Drawn, ready_made: Sequence[str]) -> None:
    """Raise if a right answer calls an operator whose name holds one of ``ready_made``."""
    with Called() as called:
        call(answer, copies(question.inputs), question.details)
    found = [name for name in called.names if any(part in name for part in ready_made)]
    if found:
        raise not_yet(
            "The values are right, and an operator of PyTorch that does the whole step found "
            "them. Write what goes on inside it: that is what this exercise asks for.",
            misconception="an operator in place of your own code",
            details=(("Your code calls", found[0].partition(".")[0].strip("_")), *question.details),
            inputs=question.inputs,
        )


def demand_no_loop(answer: Callable[..., Any], question: Drawn, axes: Sequence[int]) -> None:
    """Raise if a right answer makes more calls where one of ``axes`` is longer.

    Args:
        answer: the learner's code.
        question: an input; its first tensor has these axes.
        axes: along which no loop may run.
    """
    first = next(v for v in question.inputs.values() if isinstance(v, Tensor))

    def longer(value: Any, axis: int) -> Any:
        along = isinstance(value, Tensor) and value.shape[axis : axis + 1]
        return torch.cat([value] * 2, dim=axis) if along == first.shape[axis : axis + 1] else value

    def calls(inputs: Inputs) -> int:
        with Calls() as made:
            call(answer, copies(inputs), question.details)
        return made.count

    usual = calls(question.inputs)
    for axis in axes:
        inputs = {name: longer(value, axis) for name, value in question.inputs.items()}
        if calls(inputs) > usual:
            raise not_yet(
                f"The values are right, but your code loops: it makes more calls where axis {axis} "
                f"of its input is longer. Let one call work on the whole axis.",
                misconception="a loop",
                details=question.details,
                inputs=question.inputs,
            )


def demand_small(
    answer: Callable[..., Any], question: Drawn, most: Callable[[Inputs], int]
) -> None:
    """Raise if a right answer makes a tensor of more than ``most`` numbers on its way."""
    bound, given = most(question.inputs), copies(question.inputs)
    seen = Largest(given.values())
    body = answer.forward if isinstance(answer, nn.Module) else answer

    @functools.wraps(body)
    def watched(*arguments: Any) -> Any:
        """The answer, and nothing of what is checked around it."""
        with seen:
            return answer(*arguments)

    call(watched, given, question.details)
    if seen.fused:
        raise not_yet(
            "The values are right, and PyTorch's fused attention found them. Write what goes on "
            "inside it: that is what this exercise asks for.",
            misconception="fused attention in place of a loop",
            details=question.details,
            inputs=question.inputs,
        )
    if seen.numbers > bound:
        raise not_yet(
            "The values are right, but on its way your code makes a tensor that is larger than "
            "it may be. On a real image it would not fit, or would take most of the time.",
            misconception="a tensor that need not be made",
            details=(
                ("Your largest tensor", f"{seen.shape}: {seen.numbers} numbers"),
                ("Allowed", f"{bound} numbers"),
                *question.details,
            ),
            inputs=question.inputs,
        )


def demand_few(
    answer: Callable[..., Any], question: Drawn, most: Callable[[Inputs], int], saved_by: str
) -> None:
    """Raise if a right answer takes more than ``most`` multiply-adds.

    Matrix products and convolutions count together, and products number by number by themselves:
    a mask or a scale beside a matrix product is no waste.
    """
    bound = most(question.inputs)

    def run() -> None:
        call(answer, copies(question.inputs), question.details)

    with Multiplied() as one_by_one:
        taken = count_products(run)
    taken = max(taken, one_by_one.count)
    if taken > bound:
        raise not_yet(
            f"The values are right, and your code takes more products than it needs. {saved_by}",
            misconception="products that are not needed",
            details=(
                ("Your multiply-adds", str(taken)),
                ("Needed", str(bound)),
                *question.details,
            ),
            inputs=question.inputs,
        )
