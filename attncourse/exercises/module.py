"""Exercises that ask for an ``nn.Module``: held to requirements, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from attncourse.exercises.compare import demand_like, describe
from attncourse.exercises.exercise import Exercise, Misconception
from attncourse.exercises.learner import call
from attncourse.exercises.remedies import REPEATED, Sample, copies
from attncourse.exercises.verdict import Verdict, not_yet
from attncourse.tasks import seeded


@dataclass(frozen=True)
class Workbench:
    """Builds and runs the learner's class; whatever goes wrong ends the check with a sentence.

    Attributes:
        answer: the class.
        seed: of the inputs.
    """

    answer: type[nn.Module]
    seed: int

    def build(self, **arguments: Any) -> nn.Module:
        """An instance, built with the values of ``arguments`` in order."""
        rows = (("Built with", describe(arguments)),)
        torch.default_generator.manual_seed(self.seed)
        # A constructor returns nothing, so the instance is what the call returns.
        return call(self.answer, arguments, rows).value

    def run(self, module: nn.Module, **inputs: Tensor) -> Tensor:
        """The tensor that ``module`` makes of the values of ``inputs``, in order."""
        rows = (("Input", f"{describe(inputs)} (seed={self.seed})"),)
        outcome = call(module, inputs, rows)
        return demand_like(outcome.value, next(iter(inputs.values())), rows + outcome.details)

    def opened(self, module: nn.Module) -> nn.Module:
        """``module`` with its parameters moved away from where they start.

        A zero or a constant at the start would hide what a parameter does.
        """
        with torch.no_grad():
            for number, parameter in enumerate(module.parameters(), start=100):
                parameter.add_(0.5 * self.randn(*parameter.shape, number=number))
        return module

    def inputs(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Standard normal inputs by name."""
        return {name: self.randn(*s, number=n) for n, (name, s) in enumerate(shapes.items())}

    def demand_repeatable(self, module: nn.Module, sample: Sample) -> None:
        """Raise if a second call on the same input gives another result."""
        again = self.run(module, **copies(sample.inputs)).detach()
        if again.shape != sample.got.shape or not REPEATED.same(again, sample.got):
            raise not_yet(
                "Two calls on the same input gave two results. The result of your module must "
                "depend on its input and its parameters alone.",
                misconception="two calls that differ",
                inputs=sample.inputs,
            )

    def randn(self, *shape: int, number: int = 0) -> Tensor:
        """Standard normal numbers that depend on the seed and on ``number``."""
        return torch.randn(shape, generator=seeded(self.seed, number), dtype=torch.float32)


class Demand(Protocol):
    """What a module must fulfil."""

    def hold(self, bench: Workbench) -> None:
        """Raise :class:`~attncourse.exercises.verdict.Stop` unless it does."""

    def mistakes(self) -> Sequence[Misconception[type[nn.Module]]]:
        """The known mistakes it recognises, each with a class that makes it."""


@dataclass(frozen=True)
class Requirement:
    """A property that can be measured.

    Attributes:
        statement: the property in a sentence, without its full stop.
        violation: bench -> what was seen instead, or ``None``.
        misconception: what the mistake is, where this violation has one known cause.
    """

    statement: str
    violation: Callable[[Workbench], str | None]
    misconception: Misconception[type[nn.Module]] | None = None

    def hold(self, bench: Workbench) -> None:
        """Raise unless the property holds."""
        seen = self.violation(bench)
        if seen is None:
            return
        rows = (("Expected", self.statement), ("Yours", seen))
        if self.misconception is None:
            raise not_yet(f"What must hold, and does not: {self.statement}.", details=rows)
        raise not_yet(
            self.misconception.message, misconception=self.misconception.name, details=rows
        )

    def mistakes(self) -> Sequence[Misconception[type[nn.Module]]]:
        """Its own, if it has one."""
        return () if self.misconception is None else (self.misconception,)


@dataclass(frozen=True, kw_only=True)
class ModuleExercise(Exercise):
    """Write a class.

    Attributes:
        demands: checked in order; the first that fails is reported.
        reference: a right answer.
        alternatives: other right answers, for the tests.
    """

    demands: tuple[Demand, ...]
    reference: type[nn.Module]
    alternatives: tuple[type[nn.Module], ...] = ()

    remedy: ClassVar[str] = (
        "Write your code in place of `raise NotImplementedError` and run the cell again."
    )

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Hold the class to every demand."""
        if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
            what = f"a {type(answer).__name__}"
            if isinstance(answer, type):
                what = f"a class that is no nn.Module, {answer.__name__}"
            raise not_yet(
                f"The check needs your subclass of `nn.Module` itself, not built yet, but got "
                f'{what}. Pass the bare name of the class: `check("{self.id}", YourClass)`.'
            )
        bench = Workbench(answer, seed)
        for demand in self.demands:
            demand.hold(bench)
        return self.correct(f"All {len(self.demands)} requirements hold.")

    def right_answers(self) -> Sequence[type[nn.Module]]:
        """The reference and its alternatives."""
        return (self.reference, *self.alternatives)

    def wrong_answers(self) -> Sequence[tuple[str, type[nn.Module]]]:
        """The misconceptions of all demands."""
        return [(m.name, m.wrong) for demand in self.demands for m in demand.mistakes()]

    def stubs(self) -> Sequence[Any]:
        """Nothing, and classes whose constructor or forward pass raises."""

        class Unbuilt(nn.Module):
            def __init__(self, *arguments: Any) -> None:
                raise NotImplementedError

        class Unrun(nn.Module):
            def __init__(self, *arguments: Any) -> None:
                super().__init__()

            def forward(self, *arguments: Any) -> Tensor:
                raise NotImplementedError

        return (None, ..., Unbuilt, Unrun)
