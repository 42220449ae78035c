"""Which mistake was made: known ones, two at once, and slips that any exercise may meet.

Nothing is named on the strength of one input.  A mistake is named when the answer equals it, and a
slip when undoing it gives what was expected: on every input of the check and on fresh ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.recipe import pairs
from attncourse.exercises.remedies import DETECTORS, Inputs, Remedy, Sample

#: Share of results that may be right although their code is wrong.
_BY_CHANCE = 0.25

#: (the wrong answer, an input) -> what it gives there; ``None`` where it gives nothing.
Run = Callable[[Any, Inputs], Tensor | None]


@dataclass(frozen=True)
class Finding:
    """A mistake with its message."""

    name: str
    message: str


@dataclass(frozen=True)
class Diagnosis:
    """Looks for the mistake behind wrong results.

    Attributes:
        samples: the results, at least one of them wrong.
        fresh: draws more of them; empty where the answer fails on an input of its own.
        mistakes: known wrong answers.
        run: how a wrong answer is run on an input.
        tolerance: how far apart equal numbers may be.
    """

    samples: Sequence[Sample]
    fresh: Callable[[], Sequence[Sample]]
    mistakes: Sequence[Misconception[Any]]
    run: Run
    tolerance: Tolerance

    def find(self) -> Finding | None:
        """The first mistake that explains every sample and every fresh one."""
        return next((finding for finding in self._candidates() if finding), None)

    def _candidates(self) -> Iterator[Finding | None]:
        for mistake in self.mistakes:
            for wrong in mistake.forms:
                if self._equals(lambda s, wrong=wrong: self.run(wrong, s.inputs)):  # type: ignore[misc]
                    yield Finding(mistake.name, mistake.message)
        for remedy in self._remedies():
            if self._repairs(remedy):
                yield Finding(remedy.name, remedy.message)
        yield self._first_of_the_batch()
        for pair in pairs(self.mistakes):
            if self._equals(lambda s, p=pair: self.run(p.wrong, s.inputs)):  # type: ignore[misc]
                yield Finding(pair.name, pair.message)
        yield from self._independent_mistakes()
        yield from self._mistake_and_slip()

    def _remedies(self) -> Iterator[Remedy]:
        if all(torch.isfinite(s.got).all() and not s.got.is_complex() for s in self.samples):
            for detect in DETECTORS:
                yield from detect(self.samples)

    def _repairs(self, remedy: Remedy) -> bool:
        return self._all(lambda s: self._same(remedy.apply(s), s.expected))

    def _equals(self, other: Callable[[Sample], Tensor | None]) -> bool:
        # NaN everywhere equals NaN everywhere, whatever it came from.
        return any(torch.isfinite(s.got).all() for s in self.samples) and self._all(
            lambda s: self._same(s.got, other(s))
        )

    def _all(self, holds: Callable[[Sample], bool]) -> bool:
        return all(map(holds, self.samples)) and all(map(holds, self._fresh_samples()))

    def _fresh_samples(self) -> Sequence[Sample]:
        # Drawn once: a frozen dataclass keeps no cache of its own.
        if "_drawn" not in self.__dict__:
            self.__dict__["_drawn"] = self.fresh()
        drawn: Sequence[Sample] = self.__dict__["_drawn"]
        return drawn

    def _same(self, a: Tensor | None, b: Tensor | None) -> bool:
        return a is not None and b is not None and self.tolerance.same(a, b)

    def _first_of_the_batch(self) -> Finding | None:
        everything = (*self.samples, *self._fresh_samples())
        batches = [s for s in everything if _is_batch(s)]
        others = [s for s in everything if not _is_batch(s)]
        if not batches or not all(self._same(s.got, s.expected) for s in others):
            return None
        message = "Along axis 0 only the first item of your result is right.{} Look for an index "
        message += "`[0]`, or for a loop that returns in its first round."
        name = "only the first of the batch"
        if all(self._same(s.got, s.expected[:1].expand_as(s.expected)) for s in batches):
            return Finding(name, message.format(" The others are copies of it."))
        right = [
            [self._same(a, b) for a, b in zip(s.got, s.expected, strict=True)] for s in batches
        ]
        rest = [item for items in right for item in items[1:]]
        # Where a result is saturated, another item may be right by chance.
        if all(items[0] for items in right) and sum(rest) <= _BY_CHANCE * len(rest):
            return Finding(name, message.format(""))
        return None

    def _mistake_and_slip(self) -> Iterator[Finding]:
        """A known mistake that shows only once a slip is undone."""
        for mistake in self.mistakes:
            wrong = [self.run(mistake.wrong, s.inputs) for s in self.samples]
            if any(w is None or not torch.isfinite(w).all() for w in wrong):
                continue
            as_if = [
                Sample(s.inputs, w, s.got)
                for s, w in zip(self.samples, wrong, strict=True)
                if w is not None
            ]
            for detect in DETECTORS[:3]:
                for remedy in detect(as_if):
                    if all(self._same(remedy.apply(s), s.expected) for s in as_if) and all(
                        self._same(remedy.apply(s), self.run(mistake.wrong, s.inputs))
                        for s in self._fresh_samples()
                    ):
                        yield Finding(
                            f"{mistake.name}, and {remedy.name}",
                            f"This looks like two mistakes at once: {mistake.name}, and "
                            f"{remedy.name}. {mistake.explanation}",
                        )

    def _independent_mistakes(self) -> Iterator[Finding]:
        """Two mistakes whose errors add up, or multiply."""
        runs = [(m, [self.run(m.wrong, s.inputs) for s in self.samples]) for m in self.mistakes]
        usable = [
            (m, [w for w in wrong if w is not None])
            for m, wrong in runs
            if all(
                w is not None and w.shape == s.expected.shape and torch.isfinite(w).all()
                for w, s in zip(wrong, self.samples, strict=True)
            )
        ]
        for number, (first, a) in enumerate(usable):
            for second, b in usable[number + 1 :]:
                for join in (_sum_of_errors, _product_of_errors):
                    joined = [join(*t) for t in zip(self._expected, a, b, strict=True)]
                    if all(
                        self._same(s.got, w) for s, w in zip(self.samples, joined, strict=True)
                    ) and all(
                        self._joined_on(s, first, second, join) for s in self._fresh_samples()
                    ):
                        yield Finding(
                            f"{first.name}, and {second.name}",
                            f"This looks like two mistakes at once: {first.name}, and "
                            f"{second.name}. {first.explanation} {second.explanation}",
                        )

    @property
    def _expected(self) -> list[Tensor]:
        return [s.expected for s in self.samples]

    def _joined_on(
        self,
        sample: Sample,
        first: Misconception[Any],
        second: Misconception[Any],
        join: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> bool:
        a, b = self.run(first.wrong, sample.inputs), self.run(second.wrong, sample.inputs)
        if a is None or b is None or not a.shape == b.shape == sample.expected.shape:
            return False
        return self._same(sample.got, join(sample.expected, a, b))


def _is_batch(sample: Sample) -> bool:
    got, expected = sample.got, sample.expected
    return expected.ndim > 0 and got.shape == expected.shape and len(expected) > 1


def _sum_of_errors(right: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return a + b - right


def _product_of_errors(right: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return a * b / right
