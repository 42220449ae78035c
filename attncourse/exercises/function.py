"""Exercises that ask for a function: compared with a reference, input by input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from attncourse.exercises.compare import Difference, Tolerance, demand_like
from attncourse.exercises.diagnosis import Diagnosis, Finding
from attncourse.exercises.drawing import Case, Drawn, Function, draw_all, slope_of, value_of
from attncourse.exercises.exercise import Exercise, Misconception
from attncourse.exercises.gradients import cut, leaves_of
from attncourse.exercises.learner import call
from attncourse.exercises.partial import right_in_part
from attncourse.exercises.remedies import REPEATED, Inputs, Sample, copies, doubled
from attncourse.exercises.verdict import NotAttempted, Stop, Verdict, not_yet
from attncourse.exercises.watch import (
    demand_few,
    demand_no_autograd,
    demand_no_loop,
    demand_own,
    demand_small,
)

__all__ = ["Case", "FunctionExercise", "Property"]

#: How many fresh draws of all cases a mistake must explain.
_FRESH = 2


@dataclass(frozen=True)
class Property:
    """Something that holds for every right answer.

    Attributes:
        statement: the property in a sentence.
        holds: (inputs, result) -> whether it does.
    """

    statement: str
    holds: Callable[[Inputs, Tensor], bool]


@dataclass(frozen=True)
class _Trial:
    """One question with its answer."""

    question: Drawn
    sample: Sample
    details: tuple[tuple[str, str], ...]
    difference: Difference | None


@dataclass(frozen=True, kw_only=True, eq=False)
class FunctionExercise(Exercise):
    """Write a function; it is held to ``reference`` on freshly drawn inputs.

    Attributes:
        reference: the right answer.
        cases: inputs, edge cases among them.
        misconceptions: wrong functions that learners are known to write.
        properties: what to point at where no misconception fits.
        gradients: inputs whose gradient must be right too; by default all through which the
            reference passes one, and with ``()`` none.
        alternatives: other right answers, for the tests.
        by_hand: whether a gradient shall be derived, so that autograd may not be asked.
        ready_made: parts of the names of operators that do the whole exercise.
        no_loop: axes of the first input along which no loop may run.
        most: inputs of the first case -> how many numbers the largest tensor on the way may have.
        products: inputs of the first case -> how many multiply-adds its products may take,
            in matrix products and convolutions, and number by number.
        saved_by: how products are saved, in a sentence.
        tolerance: how far apart the numbers may be.
    """

    reference: Function
    cases: tuple[Case, ...]
    misconceptions: tuple[Misconception[Function], ...]
    properties: tuple[Property, ...] = ()
    gradients: tuple[str, ...] | None = None
    alternatives: tuple[Function, ...] = ()
    by_hand: bool = False
    ready_made: tuple[str, ...] = ()
    no_loop: tuple[int, ...] = ()
    most: Callable[[Inputs], int] | None = None
    products: Callable[[Inputs], int] | None = None
    saved_by: str = (
        "Smaller pieces of the same order save memory, and no multiply-add: another order does."
    )
    tolerance: Tolerance = field(default_factory=Tolerance)

    remedy: ClassVar[str] = (
        "Write your code in place of `raise NotImplementedError` and run the cell again."
    )

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Run every case, then compare gradients, or else look for the mistake."""
        self._demand_function(answer)
        asked = draw_all(self, seed)
        trials = [self._trial(answer, question, not n) for n, question in enumerate(asked)]
        failed = next((trial for trial in trials if trial.difference), None)
        self._demand_repeatable(answer, failed or trials[0], seed)
        if failed is not None:
            raise self._explained(answer, trials, failed, seed)
        if self.by_hand:
            demand_no_autograd(answer, asked[0])
        if self.ready_made:
            demand_own(answer, asked[0], self.ready_made)
        if self.no_loop:
            demand_no_loop(answer, asked[0], self.no_loop)
        if self.most is not None:
            demand_small(answer, asked[0], self.most)
        if self.products is not None:
            demand_few(answer, asked[0], self.products, self.saved_by)
        slopes = [self._check_gradient(answer, t, n, seed) for n, t in enumerate(trials)]
        what = "values and gradients" if any(slopes) else "values"
        return self.correct(f"The {what} agree on all {len(trials)} inputs.")

    def right_answers(self) -> Sequence[Function]:
        """The reference and its alternatives."""
        return (self.reference, *self.alternatives)

    def wrong_answers(self) -> Sequence[tuple[str, Function]]:
        """The misconceptions' functions."""
        return [(mistake.name, mistake.wrong) for mistake in self.misconceptions]

    def stubs(self) -> Sequence[Any]:
        """Nothing, a function without a body, and one that raises."""

        def empty(*arguments: Any) -> None:
            """Only a docstring."""

        def raising(*arguments: Any) -> None:
            raise NotImplementedError

        return (None, ..., empty, raising)

    def _demand_function(self, answer: Any) -> None:
        if isinstance(answer, type) or not callable(answer):
            what = "a class" if isinstance(answer, type) else f"a {type(answer).__name__}"
            if isinstance(answer, Tensor) and not torch.isfinite(answer).all():
                what += " that holds NaN or infinity"
            raise not_yet(
                f"The check needs your function itself, but got {what}. Pass its name without "
                f'parentheses: `check("{self.id}", {self.name})`.'
            )

    def _trial(self, answer: Function, question: Drawn, first: bool) -> _Trial:
        rows = question.details
        try:
            outcome = call(answer, copies(question.inputs), rows)
        except NotAttempted:
            if first:
                raise
            raise not_yet(
                "Your code leaves this input open: it raises NotImplementedError or returns "
                "nothing, though it answered an earlier input.",
                details=rows,
                inputs=question.inputs,
            ) from None
        sample = question.sample(demand_like(outcome.value, question.wanted, rows))
        difference = self.tolerance.difference(sample.got, sample.expected)
        return _Trial(question, sample, rows + outcome.details, difference)

    def _demand_repeatable(self, answer: Function, trial: _Trial, seed: int) -> None:
        """Raise if a second call on the same input gives another result."""
        inputs, got = trial.sample.inputs, trial.sample.got
        if got.is_meta:
            return

        def again() -> Tensor | None:
            torch.default_generator.manual_seed(seed + 1)
            value = value_of(answer, inputs)
            return value if value is not None and value.shape == got.shape else None

        second = again()
        if second is not None and REPEATED.same(second, got):
            return
        third = again()
        reason = "keeps something from one call to the next, or draws random numbers"
        if second is not None and third is not None and REPEATED.same(second, third):
            reason = "draws random numbers from torch"
        raise not_yet(
            f"Two calls on the same input gave two results: your code {reason}. Its result must "
            f"depend on its inputs alone.",
            misconception="two calls that differ",
            details=trial.details,
            inputs=inputs,
        )

    def _explained(
        self, answer: Function, trials: Sequence[_Trial], failed: _Trial, seed: int
    ) -> Stop:
        """What went wrong, as a known mistake, a slip, a broken property or a difference."""
        assert failed.difference is not None
        details = failed.details + failed.difference.details
        finding = self._finding(answer, trials, failed, seed)
        if finding is not None:
            return not_yet(
                finding.message,
                misconception=finding.name,
                details=details,
                inputs=failed.sample.inputs,
            )
        message = failed.difference.message
        if broken := self._broken_property(failed):
            message = f"{message} What must hold, and does not: {broken}."
        right = [t.question.case.label for t in trials if t.difference is None]
        rows = (("Right on", "; ".join(right)),) if right else ()
        return not_yet(message, details=details + rows, inputs=failed.sample.inputs)

    def _finding(
        self, answer: Function, trials: Sequence[_Trial], failed: _Trial, seed: int
    ) -> Finding | None:
        def fresh() -> Sequence[Sample]:
            drawn = [q for n in range(1, _FRESH + 1) for q in draw_all(self, seed + n * 10_007)]
            samples = [(q, value_of(answer, q.inputs)) for q in drawn]
            return [q.sample(value) for q, value in samples if value is not None]

        def right(inputs: Inputs) -> bool | None:
            expected = value_of(self.reference, inputs)
            got = value_of(answer, inputs)
            if expected is None or got is None or not torch.isfinite(expected).all():
                return None
            return self.tolerance.same(got, expected)

        assert failed.difference is not None
        if failed.difference.in_form:
            return None
        samples = [trial.sample for trial in trials]
        diagnosis = Diagnosis(samples, fresh, self.misconceptions, value_of, self.tolerance)
        if finding := diagnosis.find():
            return finding
        if not torch.isfinite(failed.sample.got).all():
            return None
        wrong = [t.sample.inputs for t in trials if t.difference]
        if all(right(doubled(inputs)) for inputs in wrong):
            return Finding(
                "digits lost to rounding",
                "In double precision your result is right, in single precision its digits are "
                "lost. Look for a difference of two large, nearly equal numbers, such as the mean "
                "of x² less the square of the mean, or for an `exp` that leaves its range.",
            )
        number = trials.index(failed)
        drawn = [draw_all(self, seed + n * 10_007)[number].inputs for n in range(_FRESH + 1)]
        passed = [t.sample.inputs for t in trials if t.difference is None]
        return right_in_part(drawn, passed, right)

    def _broken_property(self, trial: _Trial) -> str | None:
        if trial.difference is None or not trial.difference.in_values:
            return None
        sample = trial.sample
        broken = (p.statement for p in self.properties if not p.holds(sample.inputs, sample.got))
        return next(broken, None)

    def _check_gradient(self, answer: Function, trial: _Trial, number: int, seed: int) -> bool:
        """Whether there was a gradient to compare; raises if the learner's is not right."""
        slope = slope_of(self, seed, number)
        if slope is None:
            return False
        inputs, details = trial.sample.inputs, trial.details
        names = tuple(slope.expected)

        def leaves() -> dict[str, Any]:
            return leaves_of(inputs, names)

        def refused(text: str, rows: tuple[tuple[str, str], ...] = ()) -> Stop:
            cause = cut(slope, lambda v: answer(*v.values()), leaves, self.tolerance)
            message = f"The values are right, but {text} {cause or ''}".strip()
            return not_yet(message, details=details + rows, inputs=inputs)

        own = leaves()
        result = demand_like(call(answer, own, details).value, trial.question.wanted, details)
        if not result.requires_grad:
            raise refused("no gradient can pass.")
        try:
            got = slope.of(result, own)
        except RuntimeError as error:
            raise not_yet(
                f"The values are right, but the backward pass fails: {str(error)[:200]}.",
                details=details,
                inputs=inputs,
            ) from None
        if found := slope.first_difference(got, self.tolerance):
            name, difference = found
            reason = f"the gradient with respect to `{name}` is not."
            if not torch.isfinite(got[name]).all():
                reason += f" {difference.message}"
            elif not got[name].any():
                reason += f" It is zero: nothing that depends on `{name}` carries one."
            raise refused(reason, difference.details)
        return True
