"""What modules are held to: agreement with a reference, and gradients for every parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.diagnosis import Diagnosis
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.gradients import CUTS, Slope, cut, gradients
from attncourse.exercises.module import Workbench
from attncourse.exercises.remedies import Inputs, Sample, copies
from attncourse.exercises.verdict import not_yet
from attncourse.tasks import seeded

_CUT_OFF = "a parameter cut off from the result"
_FROZEN = "a parameter that is not trained"


@dataclass(frozen=True)
class Agreement:
    """With the same weights the module computes what ``reference`` computes, gradients too.

    Weights are carried over in the order in which the two modules registered them, whatever
    their names, and moved away from where they start.

    Attributes:
        reference: a class with the learner's constructor and inputs.
        arguments: what both are built with.
        shapes: inputs by name, with their shapes.
        misconceptions: classes with the same weights that compute something else.
        tolerance: how far apart the outputs may be.
    """

    reference: type[nn.Module]
    arguments: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    misconceptions: tuple[Misconception[type[nn.Module]], ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)

    def hold(self, bench: Workbench) -> None:
        """Raise unless weights can be carried over, and outputs and gradients agree."""
        modules: dict[int, nn.Module] = {}

        def sample(bench: Workbench) -> Sample:
            module = bench.opened(bench.build(**self.arguments))
            inputs = bench.inputs(self.shapes)
            modules[id(inputs)] = module
            got = bench.run(module, **copies(inputs)).detach()
            return Sample(inputs, self._outputs(self.reference, module, inputs), got)

        def run(wrong: type[nn.Module], inputs: Inputs) -> Tensor | None:
            return self._outputs(wrong, modules[id(inputs)], inputs)

        first = sample(bench)
        module = modules[id(first.inputs)]
        difference = self.tolerance.difference(first.got, first.expected)
        bench.demand_repeatable(module, first)
        if difference is None:
            self._hold_gradients(module, first.inputs)
            return
        others = [Workbench(bench.answer, bench.seed + n) for n in (10_007, 20_014)]
        samples: list[Sample] = [first]
        finding = Diagnosis(
            samples, lambda: [sample(b) for b in others], self.misconceptions, run, self.tolerance
        ).find()
        raise not_yet(
            finding.message if finding else difference.message,
            misconception=finding.name if finding else None,
            details=difference.details,
            inputs=first.inputs,
        )

    def mistakes(self) -> Sequence[Misconception[type[nn.Module]]]:
        """The misconceptions."""
        return self.misconceptions

    def _hold_gradients(self, module: nn.Module, inputs: Inputs) -> None:
        demand_trained(module)
        model = self._twin(self.reference, module)
        names = [name for name, _ in module.named_parameters()]

        def leaves(of: nn.Module) -> dict[str, Any]:
            own = {k: v.clone().requires_grad_() for k, v in inputs.items()}
            return own | dict(zip(names, of.parameters(), strict=True))

        def run(of: nn.Module) -> Callable[[Inputs], Any]:
            return lambda values: of(*[values[name] for name in inputs])

        theirs = leaves(model)
        result = run(model)(theirs)
        if not result.requires_grad:
            return
        weights = torch.randn(result.shape, generator=seeded(len(names)), dtype=result.dtype)
        slope = Slope(gradients(result, theirs, list(theirs), weights), weights, floor=1e-6)
        bound = Tolerance(1e-3, self.tolerance.absolute)
        own = leaves(module)
        got = run(module)(own)
        name = "its inputs and parameters"
        rows: tuple[tuple[str, str], ...] = ()
        if got.requires_grad:
            found = slope.first_difference(slope.of(got, own), bound)
            if found is None:
                return
            name, rows = f"`{found[0]}`", found[1].details
        cause = cut(slope, run(module), lambda: leaves(module), bound) or ""
        reason = f"The values are right, but the gradient with respect to {name} is not."
        raise not_yet(
            f"{reason} {cause}".strip(),
            details=rows,
            inputs=inputs,
        )

    def _twin(self, build: type[nn.Module], learner: nn.Module) -> nn.Module:
        """A module of this class with the learner's weights."""
        model = build(**self.arguments).train(learner.training)
        theirs, ours = list(learner.parameters()), list(model.parameters())
        if [p.shape for p in theirs] != [p.shape for p in ours]:
            raise not_yet(
                "The parameters are not those of the equations, in their order.",
                details=(("Expected", _shapes(ours)), ("Yours", _shapes(theirs))),
            )
        with torch.no_grad():
            for target, source in zip(ours, theirs, strict=True):
                target.copy_(source)
        return model

    def _outputs(self, build: type[nn.Module], learner: nn.Module, inputs: Inputs) -> Tensor:
        with torch.no_grad():
            result: Tensor = self._twin(build, learner)(*inputs.values())
            return result


def demand_trained(module: nn.Module) -> None:
    """Raise if a parameter is not trained."""
    frozen = [name for name, p in module.named_parameters() if not p.requires_grad]
    if frozen:
        raise not_yet(
            f"The parameter `{frozen[0]}` has `requires_grad=False`, so training never changes it.",
            misconception=_FROZEN,
        )


@dataclass(frozen=True)
class Trainable:
    """Every parameter requires a gradient and gets one.

    Attributes:
        arguments: what the module is built with.
        shapes: inputs by name, with their shapes.
        cut_off: a class whose parameters get no gradient, for the tests.
        frozen: a class with a parameter that does not require one, for the tests.
    """

    arguments: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    cut_off: type[nn.Module] | None = None
    frozen: type[nn.Module] | None = None

    def hold(self, bench: Workbench) -> None:
        """Raise unless they do; names what cuts a gradient off."""
        module = bench.opened(bench.build(**self.arguments))
        demand_trained(module)
        inputs = bench.inputs(self.shapes)
        reached = self._reached(module, inputs)
        count = len(list(module.parameters()))
        if reached == count:
            return
        message = "Not every parameter gets a gradient, so not all of them are trained."
        for what, harmless in CUTS:
            with harmless():
                repaired = self._reached(module, inputs)
            if repaired == count:
                message += f" Your code uses {what}, which cuts it off."
                break
        raise not_yet(
            message,
            misconception=_CUT_OFF,
            details=(
                ("Expected", f"a gradient for {count} of {count}"),
                ("Yours", f"{reached} of {count}"),
            ),
        )

    def mistakes(self) -> Sequence[Misconception[type[nn.Module]]]:
        """A parameter without its gradient, and one that asks for none."""
        known = ((_CUT_OFF, self.cut_off), (_FROZEN, self.frozen))
        return [Misconception(name, "", wrong) for name, wrong in known if wrong is not None]

    def _reached(self, module: nn.Module, inputs: Inputs) -> int:
        parameters = list(module.parameters())
        result = module(*copies(inputs).values())
        if not (isinstance(result, Tensor) and result.requires_grad):
            return 0
        found = torch.autograd.grad(result.square().sum(), parameters, allow_unused=True)
        return sum(g is not None and bool((g != 0).any()) for g in found)


def _shapes(parameters: list[nn.Parameter]) -> str:
    return ", ".join(str(tuple(p.shape)) for p in parameters) or "none"
