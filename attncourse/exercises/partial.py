"""Answers that are right on some inputs only: square ones, or a batch of one.

The inputs at hand are cut, so that two lengths become equal or one image is left.  An answer that
is wrong before and right after depends on just that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from attncourse.exercises.diagnosis import Finding
from attncourse.exercises.remedies import Inputs

#: Whether the answer is right on an input; ``None`` where that cannot be said.
Judge = Callable[[Inputs], bool | None]
#: Shorter axes agree too often with something else that is small.
_FEWEST = 3


def right_in_part(
    drawn: Sequence[Inputs], passed: Sequence[Inputs], judge: Judge
) -> Finding | None:
    """What an answer depends on that is wrong on every one of ``drawn``.

    Args:
        drawn: several draws of one case.
        passed: inputs on which the answer is right.
        judge: input -> whether the answer is right there.
    """
    if not drawn or any(judge(inputs) is not False for inputs in drawn):
        return None
    if (
        _batch(drawn[0]) > 1
        and all(_batch(inputs) == 1 for inputs in passed)
        and all(judge(_first_of_each(inputs)) for inputs in drawn)
    ):
        return Finding(
            "right for one item only",
            "Your result is right where axis 0 has the length 1, and wrong where it is longer. "
            "Does a step mix the items along axis 0, or leave this axis out?",
        )
    for longer, shorter in itertools.permutations(_lengths(drawn[0]), 2):
        a, b = longer.of(drawn[0]), shorter.of(drawn[0])
        if a is None or b is None or not a > b >= _FEWEST:
            continue
        # A third length shows that it takes equal ones, and not just shorter ones.
        third = b + 1 if b + 1 < a else b - 1
        if (
            all(longer.of(inputs) == shorter.of(inputs) for inputs in passed)
            and all(judge(_cut(inputs, a, b)) for inputs in drawn)
            and all(judge(_cut(inputs, a, third)) is False for inputs in drawn)
        ):
            return Finding(
                "right where two lengths are equal",
                f"Your result is right only where {longer} and {shorter} have the same length; "
                f"here they have {a} and {b}. One stands where the other belongs, or two axes "
                f"have changed places.",
            )
    return None


@dataclass(frozen=True)
class _Axis:
    name: str
    number: int

    def of(self, inputs: Inputs) -> int | None:
        """Its length; ``None`` where a tensor has fewer axes."""
        shape = inputs[self.name].shape
        return int(shape[self.number]) if self.number < len(shape) else None

    def __str__(self) -> str:
        return f"axis {self.number} of `{self.name}`"


def _tensors(inputs: Inputs) -> Iterator[tuple[str, Tensor]]:
    return ((k, v) for k, v in inputs.items() if isinstance(v, Tensor))


def _lengths(inputs: Inputs) -> list[_Axis]:
    """One axis for each length."""
    found: dict[int, _Axis] = {}
    for name, value in _tensors(inputs):
        for number, length in enumerate(value.shape):
            found.setdefault(length, _Axis(name, number))
    return list(found.values())


def _cut(inputs: Inputs, longer: int, shorter: int) -> Inputs:
    """Every axis of length ``longer`` is cut to ``shorter``."""
    cut = dict(inputs)
    for name, value in _tensors(inputs):
        for axis, length in enumerate(value.shape):
            if length == longer:
                value = value.narrow(axis, 0, shorter)
        cut[name] = value.clone()
    return cut


def _batch(inputs: Inputs) -> int:
    return next((len(v) for _, v in _tensors(inputs) if v.ndim), 1)


def _first_of_each(inputs: Inputs) -> Inputs:
    """A batch of one: the first item of every tensor that is as long as the first tensor."""
    count = _batch(inputs)
    return {
        k: v[:1].clone() if isinstance(v, Tensor) and v.ndim and len(v) == count else v
        for k, v in inputs.items()
    }
