"""Exercises that ask for a number: predict first, then measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any, ClassVar

import numpy as np
import torch

from attncourse.exercises.compare import Tolerance, demand_number
from attncourse.exercises.exercise import Exercise, Misconception
from attncourse.exercises.reading import bare, is_range, numbers_in
from attncourse.exercises.verdict import NotAttempted, Stop, Verdict, not_yet

Numbers = float | tuple[float, ...]
_NEAR = 0.01


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
        digits: decimals that the task asks for; an answer rounded to them is right.
        percent: whether the answer is in percent, so that a percent sign changes nothing.
        parts: where several numbers are asked for, what each of them is.
    """

    truth: Callable[[], Numbers]
    misconceptions: tuple[Misconception[Numbers], ...]
    low: float = float("-inf")
    high: float = float("inf")
    unit: str = "a number"
    tolerance: Tolerance = field(default_factory=lambda: Tolerance(relative=1e-3, absolute=0.0))
    digits: int | None = None
    percent: bool = False
    parts: tuple[str, ...] = ()

    remedy: ClassVar[str] = "Put your answer in place of `...` and run the cell again."

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Compare with the truth, then with the known wrong answers, then say which way to go."""
        truth = numbers_of(self.truth())
        given = self._read(answer, len(truth))
        rows: tuple[tuple[str, str], ...] = ()
        fields = isinstance(answer, list | tuple) and any(isinstance(p, str) for p in answer)
        if fields or isinstance(answer, str | Mapping):
            rows = (("Read as", ", ".join(map(shown, given))),)
        if self.same(given, truth):
            return self.correct("That is right.")
        for mistake in self.misconceptions:
            if any(self.same(given, numbers_of(wrong)) for wrong in mistake.forms):
                raise not_yet(mistake.message, misconception=mistake.name, details=rows)
        raise self._way(given, truth, rows)

    def right_answers(self) -> Sequence[Any]:
        """The truth, and the same as a tensor and as text."""
        truth = numbers_of(self.truth())
        text = ", ".join(repr(float(number)) for number in truth)
        return (self.truth(), torch.tensor(self.truth(), dtype=torch.float64), text)

    def wrong_answers(self) -> Sequence[tuple[str, Any]]:
        """The misconceptions' numbers."""
        return [(mistake.name, mistake.wrong) for mistake in self.misconceptions]

    def stubs(self) -> Sequence[Any]:
        """The dots of the untouched cell, and None."""
        return (..., None)

    def _way(
        self, given: tuple[float, ...], truth: tuple[float, ...], rows: tuple[tuple[str, str], ...]
    ) -> Stop:
        """What is wrong with numbers that come from no known line of thought."""
        if slip := self._slip(given, truth):
            return not_yet(slip[1], misconception=slip[0], details=rows)
        for value in given:
            if not self.low <= value <= self.high:
                return not_yet(
                    f"{shown(value)} cannot be meant: the answer is {self.unit}, from "
                    f"{shown(self.low)} to {shown(self.high)}.",
                    details=rows,
                )
        wrong = [
            (place, a, b)
            for place, (a, b) in enumerate(zip(given, truth, strict=True), start=1)
            if not self.same((a,), (b,))
        ]
        if len(truth) == 1:
            return not_yet(f"{shown(given[0])} is {self._distance(*wrong[0][1:])}.", details=rows)
        if len(wrong) == 1:
            place, a, b = wrong[0]
            return not_yet(
                f"Of the {len(truth)} numbers, look again at number {place}: {shown(a)} is "
                f"{self._distance(a, b)}.",
                details=rows,
            )
        places = _named(place for place, _, _ in wrong)
        return not_yet(f"Of the {len(truth)} numbers, look again at {places}.", details=rows)

    def _slip(self, given: tuple[float, ...], truth: tuple[float, ...]) -> tuple[str, str] | None:
        """(name, message) of a slip that any number may show; each is tried before it is named."""
        if any(truth) and self.same(tuple(-value for value in given), truth):
            return "the opposite sign", "With the other sign this would be right."
        if all(0 < value <= 1 for value in truth) and self.same(
            tuple(value / 100 for value in given), truth
        ):
            return (
                "a percentage in place of a share",
                "This is the right share in percent: divide it by 100.",
            )
        if all(truth) and all(given) and self.same(tuple(1 / v for v in given), truth):
            return "a ratio upside down", "The ratio stands upside down: this is 1 over the answer."
        if len(truth) == 1:
            if given[0] in rounded(truth[0]):
                return "rounded too far", f"{shown(given[0])} is rounded too far: give more digits."
            return None
        if self.same(tuple(sorted(given)), tuple(sorted(truth))):
            return (
                "another order",
                "The numbers are right, and stand in another order than the task names them in.",
            )
        for numbers, name, message in self.double_mistakes(truth):
            if self.same(given, numbers):
                return name, message
        return None

    def double_mistakes(
        self, truth: tuple[float, ...]
    ) -> Iterator[tuple[tuple[float, ...], str, str]]:
        """(the numbers, name, message) of any two known mistakes that change different numbers."""
        for first, second in combinations(self.misconceptions, 2):
            name = f"{first.name}, and {second.name}"
            message = (
                f"This looks like two mistakes at once: {name}. "
                f"{first.explanation} {second.explanation}"
            )
            for a, b in product(map(numbers_of, first.forms), map(numbers_of, second.forms)):
                if len(a) == len(b) == len(truth) and (both := _merged(truth, a, b)):
                    yield both, name, message

    @staticmethod
    def _distance(given: float, truth: float) -> str:
        way = "small" if given < truth else "large"
        gap = abs(given - truth) / abs(truth) if truth else math.inf
        if gap < _NEAR:
            return f"close, and too {way} by less than {'0.1' if gap < _NEAR / 10 else '1'} %"
        return f"too {way}"

    def _read(self, answer: Any, count: int) -> tuple[float, ...]:
        if isinstance(answer, str):
            if not bare(answer):
                raise NotAttempted
            read = self._numbers_in(answer, count)
            if read is None:
                what = "One number is" if count == 1 else f"{count} numbers are"
                raise not_yet(f"{what} expected, and {answer!r} cannot be read as that.")
            return read
        if isinstance(answer, set | frozenset) and len(answer) > 1:
            raise not_yet("A set has no order: give the numbers as a tuple, `(..., ...)`.")
        if isinstance(answer, Mapping):
            answer = tuple(answer.values())
        parts = _parts(answer)
        if len(parts) != count:
            if count == 1 and not isinstance(answer, list | tuple):
                demand_number(answer)
            what = "One number is" if count == 1 else f"{count} numbers are"
            raise not_yet(f"{what} expected, but the answer holds {len(parts)}.")
        open_places = [place for place, part in enumerate(parts, start=1) if _is_open(part)]
        if len(open_places) == count:
            raise NotAttempted
        if isinstance(parts[0], str) and open_places == [*range(2, count + 1)]:
            # All of them written into the first field.
            together = self._numbers_in(parts[0], count)
            if together is not None:
                return together
        if open_places:
            raise not_yet(f"Still open: {_named(open_places)}.")
        return tuple(self._read_one(part, place) for place, part in enumerate(parts, start=1))

    def _numbers_in(self, text: str, count: int) -> tuple[float, ...] | None:
        # Less than nothing cannot be meant: then this is no difference.
        if count == 1 and self.low >= 0 and is_range(text):
            raise not_yet(f"One number is expected, and {text!r} is a range. Give one number.")
        return numbers_in(text, count, self.per_sign)

    @property
    def per_sign(self) -> int:
        """What a percent sign divides its number by."""
        return 1 if self.percent else 100

    def _read_one(self, part: Any, place: int) -> float:
        if not isinstance(part, str):
            return demand_number(part)
        number = self._numbers_in(part, 1)
        if number is None:
            raise not_yet(f"{part!r} cannot be read as number {place}.")
        return number[0]

    def same(self, a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        """Whether ``a`` is as near to ``b`` as the exercise asks for."""
        pair = [torch.tensor(values, dtype=torch.float64) for values in (a, b)]
        if self.tolerance.same(*pair):
            return True
        return self.digits is not None and Tolerance(0.0, 0.5001 * 10.0**-self.digits).same(*pair)


def numbers_of(value: Numbers) -> tuple[float, ...]:
    """One number or several, as a tuple."""
    return value if isinstance(value, tuple) else (value,)


def _named(places: Iterable[int]) -> str:
    """``number 2``, or ``numbers 2, 3 and 4``."""
    *most, last = map(str, places)
    return f"numbers {', '.join(most)} and {last}" if most else f"number {last}"


def _is_open(part: Any) -> bool:
    """Whether a field was left empty."""
    return part is ... or part is None or (isinstance(part, str) and not bare(part))


def _parts(answer: Any) -> tuple[Any, ...]:
    if isinstance(answer, torch.Tensor):
        return tuple(answer.detach().flatten())
    if isinstance(answer, np.ndarray):
        return tuple(answer.ravel())
    try:
        parts = tuple(answer)
    except TypeError:
        return (answer,)
    # Pairs in brackets of their own: ((1, 2), (3, 4)).
    pairs = (part if isinstance(part, list | tuple) else (part,) for part in parts)
    return tuple(part for pair in pairs for part in pair)


def shown(value: float) -> str:
    """A number with all its digits, so that two that differ look different."""
    if math.isfinite(value) and float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.10g}"


def rounded(truth: float) -> tuple[float, ...]:
    """The truth, rounded to two of its digits, to three and so on."""
    forms = [float(f"{truth:.{digits}g}") for digits in range(2, 16)]
    return tuple(dict.fromkeys(forms)) if truth else ()


def _merged(
    truth: tuple[float, ...], a: tuple[float, ...], b: tuple[float, ...]
) -> tuple[float, ...] | None:
    """The numbers of both mistakes, where they change different ones."""
    if any(x != t and y != t for t, x, y in zip(truth, a, b, strict=True)):
        return None
    return tuple(x if x != t else y for t, x, y in zip(truth, a, b, strict=True))
