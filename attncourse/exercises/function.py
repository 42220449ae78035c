"""Exercises that ask for a function: compared with a reference, input by input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from attncourse.exercises.compare import Difference, Tolerance, demand_like, describe
from attncourse.exercises.exercise import Exercise, Misconception
from attncourse.exercises.learner import call
from attncourse.exercises.verdict import NotAttempted, Verdict, not_yet
from attncourse.tasks import seeded

Function = Callable[..., Any]
Inputs = Mapping[str, Any]


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
    """One case, drawn, with what was expected and what came."""

    case: Case
    inputs: Inputs
    expected: Tensor
    got: Tensor
    details: tuple[tuple[str, str], ...]
    difference: Difference | None


@dataclass(frozen=True, kw_only=True)
class FunctionExercise(Exercise):
    """Write a function; it is held to ``reference`` on freshly drawn inputs.

    Attributes:
        reference: the right answer.
        cases: inputs, edge cases among them.
        misconceptions: wrong functions that learners are known to write.
        properties: what to point at where no misconception fits.
        gradients: inputs whose gradient must be right too.
        alternatives: other right answers, for the tests.
        tolerance: how far apart the numbers may be.
    """

    reference: Function
    cases: tuple[Case, ...]
    misconceptions: tuple[Misconception[Function], ...]
    properties: tuple[Property, ...] = ()
    gradients: tuple[str, ...] = ()
    alternatives: tuple[Function, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)

    remedy: ClassVar[str] = (
        "Write your code in place of `raise NotImplementedError` and run the cell again."
    )

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Run every case, then look for a known mistake, then for a broken property."""
        self._demand_function(answer)
        trials = [self._trial(answer, number, seed) for number in range(len(self.cases))]
        failed = next((trial for trial in trials if trial.difference), None)
        if failed is None:
            for trial in trials:
                self._check_gradient(answer, trial, seed)
            what = "values and gradients" if self.gradients else "values"
            return self.correct(f"The {what} agree on all {len(trials)} inputs.")
        assert failed.difference is not None
        details = failed.details + failed.difference.details
        for mistake in self.misconceptions:
            if all(self._shows(mistake, trial) for trial in trials):
                raise not_yet(
                    mistake.message,
                    misconception=mistake.name,
                    details=details,
                    inputs=failed.inputs,
                )
        message = failed.difference.message
        if broken := self._broken_property(failed):
            message = f"{message} What must hold, and does not: {broken}."
        raise not_yet(message, details=details, inputs=failed.inputs)

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

    def _trial(self, answer: Function, number: int, seed: int) -> _Trial:
        case = self.cases[number]
        inputs = case.draw(seeded(seed, number))
        rows = (
            (
                "Input",
                f"{describe(inputs)} (case {number + 1} of {len(self.cases)}: {case.label}; "
                f"seed={seed})",
            ),
        )
        wanted = self.reference(*_copies(inputs).values())
        try:
            outcome = call(answer, _copies(inputs), rows)
        except NotAttempted:
            if number == 0:
                raise
            raise not_yet(
                "Your code leaves this input open: it raises NotImplementedError or returns "
                "nothing, though it answered an earlier input.",
                details=rows,
                inputs=inputs,
            ) from None
        got = demand_like(outcome.value, wanted, rows).detach()
        expected = torch.as_tensor(wanted, dtype=None if isinstance(wanted, Tensor) else got.dtype)
        difference = self.tolerance.difference(got, expected)
        return _Trial(case, inputs, expected, got, rows + outcome.details, difference)

    def _shows(self, mistake: Misconception[Function], trial: _Trial) -> bool:
        wrong = torch.as_tensor(mistake.wrong(*_copies(trial.inputs).values()))
        return self.tolerance.same(trial.got, wrong)

    def _broken_property(self, trial: _Trial) -> str | None:
        if trial.difference is None or not trial.difference.in_values:
            return None
        broken = (p.statement for p in self.properties if not p.holds(trial.inputs, trial.got))
        return next(broken, None)

    def _check_gradient(self, answer: Function, trial: _Trial, seed: int) -> None:
        if not self.gradients:
            return
        weights = torch.randn(
            trial.expected.shape,
            generator=seeded(seed, len(self.cases)),
            dtype=trial.expected.dtype,
        )
        leaves = self._leaves(trial.inputs)
        result = demand_like(
            call(answer, leaves, trial.details).value, trial.expected, trial.details
        )
        if not result.requires_grad:
            raise not_yet(
                "The values are right, but no gradient can pass. `.detach()`, `.item()`, `.data`, "
                "`torch.tensor(...)`, NumPy and `torch.no_grad()` all cut it.",
                details=trial.details,
                inputs=trial.inputs,
            )
        wanted = self._leaves(trial.inputs)
        expected = _gradients(self.reference(*wanted.values()), wanted, self.gradients, weights)
        try:
            got = _gradients(result, leaves, self.gradients, weights)
        except RuntimeError as error:
            raise not_yet(
                f"The values are right, but the backward pass fails: {str(error)[:200]}.",
                details=trial.details,
                inputs=trial.inputs,
            ) from None
        for name in self.gradients:
            # A gradient is a sum of many terms: what counts is the error beside its largest entry.
            largest = float(expected[name].abs().max())
            tolerance = Tolerance(self.tolerance.relative, self.tolerance.relative * largest)
            if difference := tolerance.difference(got[name], expected[name]):
                reason = difference.message
                if torch.isfinite(got[name]).all():
                    reason = f"Something on the way from `{name}` to the result is cut off from it."
                raise not_yet(
                    f"The values are right, but the gradient with respect to `{name}` is not. "
                    f"{reason}",
                    details=trial.details + difference.details,
                    inputs=trial.inputs,
                )

    def _leaves(self, inputs: Inputs) -> dict[str, Any]:
        """Copies in double precision, where rounding cannot be mistaken for an error."""
        leaves = _copies(inputs)
        for name, value in leaves.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                leaves[name] = value.double()
        for name in self.gradients:
            leaves[name].requires_grad_()
        return leaves


def _copies(inputs: Inputs) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in inputs.items()}


def _gradients(
    result: Tensor, leaves: Inputs, names: tuple[str, ...], weights: Tensor
) -> dict[str, Tensor]:
    grads = torch.autograd.grad(
        (result * weights).sum(),
        [leaves[name] for name in names],
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(names, grads, strict=True))
