"""Compare what came with what was expected, and say the difference in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from types import FunctionType, GeneratorType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attncourse.exercises.verdict import not_yet

#: What a learner may return in place of a tensor, and the way back.
_WRONG_TYPES: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        (np.ndarray, np.generic),
        "a NumPy value. Stay in torch from start to end: NumPy carries no gradient and knows "
        "no GPU",
    ),
    (
        (list, tuple),
        "a list or tuple. Put its parts together with `torch.stack` (a new axis) or `torch.cat` "
        "(an axis that is there)",
    ),
    ((Number,), "a Python number. Leave out `.item()` and `float(...)`, and return the tensor"),
    ((str,), "text. Return the numbers themselves; printing is for you alone"),
    ((nn.Module, FunctionType), "something to call. Call it on the input and return what comes"),
    ((GeneratorType,), "a generator. Write `return` in place of `yield`"),
)


@dataclass(frozen=True)
class Difference:
    """How a result differs from the expected one.

    Attributes:
        message: the difference in a sentence.
        expected: what was expected, short.
        got: what came, short.
        in_values: whether shape, device and type are as expected, and only values differ.
        in_form: whether device or type differ, and nothing was said of the values.
    """

    message: str
    expected: str
    got: str
    in_values: bool = False
    in_form: bool = False

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """The rows of a verdict."""
        return (("Expected", self.expected), ("Yours", self.got))


@dataclass(frozen=True)
class Tolerance:
    """How far apart two numbers may be: ``absolute + relative * |expected|``."""

    relative: float = 1e-4
    absolute: float = 1e-5

    def same(self, a: Tensor, b: Tensor) -> bool:
        """Whether two tensors agree in shape and, where ``b`` is a number, in value."""
        if a.shape != b.shape or a.is_complex() != b.is_complex() or a.is_meta:
            return False
        return bool(self._close(a, b).all())

    def difference(self, got: Tensor, expected: Tensor) -> Difference | None:
        """The first thing that is wrong with ``got``, or ``None``."""
        if got.shape != expected.shape:
            return Difference(
                "The shape is not the expected one." + _shape_remedy(got, expected),
                shape(expected),
                shape(got),
            )
        if got.device != expected.device:
            return Difference(
                "The result is on another device than the inputs. Make new tensors with "
                "`device=x.device`.",
                str(expected.device),
                str(got.device),
                in_form=True,
            )
        if got.dtype != expected.dtype:
            return Difference(
                "The type of the numbers is not that of the inputs. Make new tensors with "
                "`dtype=x.dtype`, and leave out `.float()` and `.double()`.",
                _type(expected),
                _type(got),
                in_form=True,
            )
        wrong = ~self._close(got, expected)
        if not wrong.any():
            return None
        odd = ~torch.isfinite(got) & torch.isfinite(expected)
        message = "The values differ."
        if odd.any():
            message = (
                "The result holds NaN or infinity where a number is expected. Look for a "
                "division by zero, a root or logarithm of something negative, or an `exp` of "
                "something large."
            )
            wrong = odd
        place = _worst(got, expected, wrong)
        where = f" at {list(place)}" if place else ""
        share = f"{int(wrong.sum())} of {wrong.numel()} numbers differ"
        return Difference(
            message,
            f"{_value(expected[place])}{where}",
            f"{_value(got[place])}{where}" + (f"; {share}" if place else ""),
            in_values=True,
        )

    def _close(self, a: Tensor, b: Tensor) -> Tensor:
        wide = torch.complex128 if a.is_complex() else torch.float64
        a, b = (t.detach().to("cpu", wide) for t in (a, b))
        bound = self.absolute + self.relative * b.abs()
        near = ((a - b).abs() <= bound) & (bound < math.inf)
        # Infinities and NaN differ from themselves by NaN; they are rare, and torch knows them.
        if near.all():
            return near
        return torch.isclose(a, b, rtol=self.relative, atol=self.absolute, equal_nan=True)


def demand_like(value: Any, expected: Any, details: tuple[tuple[str, str], ...]) -> Tensor:
    """Return ``value`` as a tensor.

    Raises:
        Stop: unless it is of the kind that is expected: a tensor, or a number.
    """
    if not isinstance(expected, Tensor):
        return torch.tensor(demand_number(value, details), dtype=torch.float64)
    if isinstance(value, Tensor):
        return value
    sentence = next(
        (text for types, text in _WRONG_TYPES if isinstance(value, types)),
        f"an object of type {type(value).__name__}",
    )
    raise not_yet(f"Your code must return a torch tensor, but returns {sentence}.", details=details)


def demand_number(value: Any, details: tuple[tuple[str, str], ...] = ()) -> float:
    """Return ``value`` as a float.

    Raises:
        Stop: unless it is one finite real number: Python's, NumPy's or a tensor of one element.
    """
    if isinstance(value, Tensor | np.ndarray) and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, str):
        raise not_yet(
            f"A number is expected, but {value!r} is text: leave out the quotes. A fraction such "
            f"as 5/8 may stand as it is.",
            details=details,
        )
    if isinstance(value, bool | np.bool_ | complex) or not hasattr(value, "__float__"):
        what = shape(value) if isinstance(value, Tensor) else repr(value)
        raise not_yet(
            f"One real number is expected, but the answer is {type(value).__name__} {what[:80]}.",
            details=details,
        )
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise not_yet(
            f"One number is expected, but the answer cannot be read as one: {error}.",
            details=details,
        ) from None
    if not math.isfinite(number):
        raise not_yet(
            f"The answer is {number}, which is not a number to compare with. Look for a division "
            f"by zero, or for NaN in what it was computed from.",
            details=details,
        )
    return number


def shape(tensor: Tensor) -> str:
    """``(2, 8)``; a tensor without axes is ``()``."""
    return str(tuple(tensor.shape))


def describe(inputs: Mapping[str, Any]) -> str:
    """The inputs of a case: names, shapes and types."""
    types = {_type(value) for value in inputs.values() if isinstance(value, Tensor)}
    parts = [
        f"{name} {shape(value)}" if isinstance(value, Tensor) else f"{name}={value!r}"
        for name, value in inputs.items()
    ]
    return ", ".join(parts + sorted(types))


def _worst(got: Tensor, expected: Tensor, wrong: Tensor) -> tuple[int, ...]:
    gap = (got.detach().double() - expected.double()).abs().nan_to_num(math.inf, math.inf)
    index = gap.masked_fill(~wrong, -1).argmax()
    return tuple(int(i) for i in torch.unravel_index(index, expected.shape))


def permutation_call(order: Sequence[int]) -> str:
    """The shortest call that puts axes into ``order``: ``.mT``, ``.movedim(0, 2)`` ..."""
    axes = list(range(len(order)))
    moved = [axis for axis in axes if order[axis] != axis]
    if len(axes) == 2:
        return ".T"
    if moved == axes[-2:]:
        return ".mT"
    if len(moved) == 2:
        return f".transpose({moved[0]}, {moved[1]})"
    for source in axes:
        rest = [axis for axis in axes if axis != source]
        for target in axes:
            if [*rest[:target], source, *rest[target:]] == list(order):
                return f".movedim({source}, {target})"
    return f".permute({', '.join(map(str, order))})"


def _shape_remedy(got: Tensor, expected: Tensor) -> str:
    squeezed = [size for size in got.shape if size != 1]
    if squeezed == [size for size in expected.shape if size != 1]:
        return " Only axes of length 1 differ: add them with `x[:, None]`, drop them by indexing."
    if sorted(got.shape) == sorted(expected.shape):
        call = "`.permute` or `.movedim`"
        if len(set(got.shape)) == got.ndim:
            call = f"`{permutation_call([got.shape.index(size) for size in expected.shape])}`"
        return f" The axes are in another order: {call} would make the shape right."
    if got.numel() == 1:
        return " Everything was reduced to one number: name the axes to reduce with `dim=`."
    return ""


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _value(tensor: Tensor) -> str:
    number = tensor.item()
    return str(int(number)) if float(number).is_integer() else f"{number:.6g}"
