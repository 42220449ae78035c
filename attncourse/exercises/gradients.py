"""Compare gradients, and find out what cuts them.

A gradient is compared wherever the reference has one.  Where the learner's is missing or wrong, the
code runs again with one kind of cut made harmless at a time: the kind after which all gradients are
right is the one that is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attncourse.exercises.compare import Difference, Tolerance

#: A gradient is a sum of terms that may cancel: below this, in double precision, all is rounding.
FLOOR = 1e-10

Gradients = dict[str, Tensor]


class _Undo(TorchFunctionMode):
    """Runs code as if it did not cut its tensors off in one way."""

    def __init__(self, undone: Callable[..., Any] | None, graded: bool) -> None:
        super().__init__()
        self._undone, self._graded = undone, graded

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._undone is not None and self._undone(func):
            return args[0].view_as(args[0])
        with torch.enable_grad() if self._graded else nullcontext():
            return func(*args, **(kwargs or {}))


class _Spy(TorchFunctionMode):
    """Notes which ways out of torch are taken by tensors that carry a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _EXITS and any(isinstance(a, Tensor) and a.requires_grad for a in args):
            self.seen.append(_EXITS[name])
        return func(*args, **(kwargs or {}))


#: Ways out of torch that cannot be undone.
_EXITS = {
    "item": "`.item()`",
    "tolist": "`.tolist()`",
    "__float__": "`float(...)`",
    "__int__": "`int(...)`",
    "numpy": "`.numpy()`",
    "tensor": "`torch.tensor(...)`",
    "argmax": "`argmax`, which has no slope",
    "round": "`round`, which has no slope",
}

#: (what the code does, a context in which it does no harm)
CUTS: tuple[tuple[str, Callable[[], AbstractContextManager[Any]]], ...] = (
    ("`.detach()`", lambda: _Undo(lambda f: f is torch.Tensor.detach or f is torch.detach, False)),
    ("`.data`", lambda: _Undo(lambda f: f == torch.Tensor.data.__get__, False)),  # type: ignore[attr-defined]
    ("`torch.no_grad()`", lambda: _Undo(None, True)),
    (
        "`requires_grad=False`",
        lambda: _Undo(
            lambda f: (
                f == torch.Tensor.requires_grad_ or f == torch.Tensor.requires_grad.__set__  # type: ignore[attr-defined]
            ),
            False,
        ),
    ),
)


@dataclass(frozen=True)
class Slope:
    """Gradients that a learner's code must reproduce.

    Attributes:
        expected: name of the input -> its gradient.
        weights: what the result is multiplied by before it is added up.
        floor: below it a difference is rounding.
    """

    expected: Gradients
    weights: Tensor
    floor: float = FLOOR

    def of(self, result: Tensor, leaves: Mapping[str, Any]) -> Gradients:
        """The gradients of ``result``; zero where it does not depend on an input.

        Raises:
            RuntimeError: if the backward pass fails.
        """
        return gradients(result, leaves, tuple(self.expected), self.weights)

    def first_difference(
        self, got: Gradients, tolerance: Tolerance
    ) -> tuple[str, Difference] | None:
        """(name, difference) of the first input whose gradient is not the expected one."""
        for name, expected in self.expected.items():
            # What counts is the error beside the largest entry.
            largest = float(expected.abs().max()) if expected.numel() else 0.0
            bound = Tolerance(tolerance.relative, max(tolerance.relative * largest, self.floor))
            if difference := bound.difference(got[name], expected):
                return name, difference
        return None

    def right(
        self, run: Callable[[Mapping[str, Any]], Any], leaves: Mapping[str, Any], t: Tolerance
    ) -> bool:
        """Whether what ``run`` makes of ``leaves`` has the expected gradients."""
        try:
            result = run(leaves)
            if not (isinstance(result, Tensor) and result.requires_grad):
                return False
            return self.first_difference(self.of(result, leaves), t) is None
        except Exception:
            return False


def gradients(
    result: Tensor, leaves: Mapping[str, Any], names: Sequence[str], weights: Tensor
) -> Gradients:
    """Gradients of ``(result * weights).sum()`` by the leaves of these names."""
    found = torch.autograd.grad(
        (result * weights).sum(),
        [leaves[name] for name in names],
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(names, found, strict=True))


def leaves_of(inputs: Mapping[str, Any], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Copies in double precision, where rounding cannot be mistaken for an error.

    Args:
        inputs: name -> value.
        names: the inputs that require a gradient; by default all that are real tensors.
    """
    leaves: dict[str, Any] = {}
    for name, value in inputs.items():
        if isinstance(value, Tensor):
            value = value.detach().clone()
            if value.is_floating_point():
                value = value.double().requires_grad_(names is None or name in names)
        leaves[name] = value
    return leaves


def cut(
    slope: Slope,
    run: Callable[[Mapping[str, Any]], Any],
    leaves: Callable[[], dict[str, Any]],
    tolerance: Tolerance,
) -> str | None:
    """What cuts the gradient of ``run``, in a sentence; ``None`` if nothing known does.

    Args:
        slope: the expected gradients.
        run: leaves -> the learner's result.
        leaves: makes fresh leaves.
        tolerance: how far apart gradients may be.
    """
    for what, harmless in CUTS:

        def repaired(values: Mapping[str, Any], harmless: Any = harmless) -> Any:
            with harmless():
                return run(values)

        if slope.right(repaired, leaves(), tolerance):
            return f"Your code uses {what}, which cuts it off: without it the gradient is right."
    spy = _Spy()
    try:
        with spy:
            run(leaves())
    except Exception:
        return None
    if spy.seen:
        return f"Your code uses {spy.seen[0]}: there the gradient ends."
    return None
