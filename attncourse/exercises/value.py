"""Exercises that ask for a number: predict first, then measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from attncourse.exercises.compare import Tolerance, demand_number, shape
from attncourse.exercises.exercise import Exercise, Misconception
from attncourse.exercises.verdict import Verdict, not_yet

Numbers = float | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ValueExercise(Exercise):
    """Give one number, or a tuple of numbers.

    Attributes:
        truth: computes the right answer, so that it is measured and not typed.
        misconceptions: wrong answers that come from a known line of thought.
        low: least value that can be meant.
        high: largest value that can be meant.
        unit: what the answer is counted in, and what ``low`` and ``high`` follow from.
        tolerance: how far the answer may be from the truth.
    """

    truth: Callable[[], Numbers]
    misconceptions: tuple[Misconception[Numbers], ...]
    low: float = float("-inf")
    high: float = float("inf")
    unit: str = "a number"
    tolerance: Tolerance = field(default_factory=lambda: Tolerance(relative=1e-3, absolute=0.0))

    remedy: ClassVar[str] = "Put your answer in place of `...` and run the cell again."

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Compare with the truth, then with the known wrong answers, then say which way to go."""
        truth = _numbers(self.truth())
        given = self._read(answer, len(truth))
        if self._same(given, truth):
            return self.correct("That is right.")
        for value in given:
            if not self.low <= value <= self.high:
                raise not_yet(
                    f"{value:.6g} cannot be meant: the answer is {self.unit}, from {self.low:g} "
                    f"to {self.high:g}."
                )
        for mistake in self.misconceptions:
            if self._same(given, _numbers(mistake.wrong)):
                raise not_yet(mistake.message, misconception=mistake.name)
        if len(truth) == 1:
            way = "too small" if given[0] < truth[0] else "too large"
            raise not_yet(f"{given[0]:.6g} is {way}.")
        wrong = [
            str(place)
            for place, (a, b) in enumerate(zip(given, truth, strict=True), start=1)
            if not self._same((a,), (b,))
        ]
        raise not_yet(f"Of the {len(truth)} numbers, look again at number {', '.join(wrong)}.")

    def right_answers(self) -> Sequence[Any]:
        """The truth, and the same as a tensor."""
        return (self.truth(), torch.tensor(self.truth(), dtype=torch.float64))

    def wrong_answers(self) -> Sequence[tuple[str, Any]]:
        """The misconceptions' numbers."""
        return [(mistake.name, mistake.wrong) for mistake in self.misconceptions]

    def stubs(self) -> Sequence[Any]:
        """The dots of the untouched cell, and None."""
        return (..., None)

    def _read(self, answer: Any, count: int) -> tuple[float, ...]:
        if count == 1:
            return (demand_number(answer),)
        try:
            parts = tuple(answer)
        except TypeError:
            parts = (answer,)
        if len(parts) != count:
            size = shape(answer) if isinstance(answer, torch.Tensor) else str(len(parts))
            raise not_yet(f"{count} numbers are expected, but the answer holds {size}.")
        return tuple(demand_number(part) for part in parts)

    def _same(self, a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return self.tolerance.same(
            torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
        )


def _numbers(value: Numbers) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)
