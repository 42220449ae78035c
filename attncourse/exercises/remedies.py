"""Slips that any exercise may meet, each found by undoing it.

A detector looks at results that are wrong and proposes remedies.  A remedy is a claim: *with this
change your result would be right*.  ``diagnosis`` tries it on the inputs at hand and on fresh ones,
and only a claim that holds on all of them reaches the learner.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance, permutation_call

Inputs = Mapping[str, Any]
_MOST_AXES = 5
_RATIO = 1e-3


#: Results of two calls on one input may differ by rounding alone.
REPEATED = Tolerance(1e-5, 1e-7)


def copies(inputs: Inputs) -> dict[str, Any]:
    """The inputs, with tensors that may be changed."""
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in inputs.items()}


def doubled(inputs: Inputs) -> dict[str, Any]:
    """The inputs, with real tensors in double precision."""
    return {
        k: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v
        for k, v in inputs.items()
    }


@dataclass(frozen=True)
class Sample:
    """One input, what was expected, and what came."""

    inputs: Inputs
    expected: Tensor
    got: Tensor


@dataclass(frozen=True)
class Remedy:
    """A change after which the learner's result would be right.

    Attributes:
        name: of the slip, as in "this looks like ...".
        message: the slip in one or two sentences.
        apply: sample -> the changed result; ``None`` where the change makes no sense.
    """

    name: str
    message: str
    apply: Callable[[Sample], Tensor | None]


Detector = Callable[[Sequence[Sample]], Iterator[Remedy]]


def negative(samples: Sequence[Sample]) -> Iterator[Remedy]:
    """Every number has the other sign."""
    yield Remedy(
        "the opposite sign",
        "Your result is exactly the negative of the expected one. Look for a difference taken the "
        "wrong way round, or a lost minus.",
        lambda sample: -sample.got,
    )


def order_of_axes(samples: Sequence[Sample]) -> Iterator[Remedy]:
    """Right once its axes are put into another order, or its elements read in another order."""
    rank = samples[0].got.ndim
    if len({s.got.ndim for s in samples}) > 1 and all(s.got.ndim > 1 for s in samples):
        yield Remedy(
            "axes in another order",
            "Your result would be right with its last two axes exchanged: `.mT` does it.",
            lambda sample: sample.got.mT,
        )
    if not 2 <= rank <= _MOST_AXES or any(s.expected.ndim != rank for s in samples):
        return
    # Short calls first: a swap is a likelier slip than a cycle.
    orders = sorted(
        itertools.permutations(range(rank)),
        key=lambda order: (len(permutation_call(order)), order),
    )
    for order in orders:
        if order == tuple(range(rank)):
            continue
        call = permutation_call(order)
        yield Remedy(
            "axes in another order",
            f"Your result would be right with its axes in another order: `{call}` puts them right.",
            lambda sample, order=order: sample.got.permute(order),  # type: ignore[misc]
        )
        yield Remedy(
            "a reshape in place of a transposition",
            f"Your numbers are right and stand in the wrong places: `.view` and `.reshape` never "
            f"reorder. Give the result its axes in the order that the numbers have, then "
            f"`{call}`.",
            lambda sample, order=order: _reread(sample, order),  # type: ignore[misc]
        )


def _reread(sample: Sample, order: Sequence[int]) -> Tensor | None:
    if sample.got.shape != sample.expected.shape:
        return None
    before = [0] * len(order)
    for target, source in enumerate(order):
        before[source] = sample.expected.shape[target]
    return sample.got.reshape(before).permute(tuple(order))


def factor(samples: Sequence[Sample]) -> Iterator[Remedy]:
    """Too large or too small by one factor: a constant, or one that follows from the sizes."""
    # Where zero is expected, any factor is as good as another.
    told = [sample for sample in samples if sample.expected.any()]
    ratios = [_ratio(sample) for sample in told]
    if not ratios or any(ratio is None for ratio in ratios):
        return
    known = [float(ratio) for ratio in ratios if ratio is not None]
    if max(known) - min(known) <= _RATIO * abs(known[0]):
        yield Remedy(
            "a constant factor",
            f"Your result is {_named(known[0])} times the expected one, everywhere.",
            lambda sample: sample.got / known[0],
        )
        return
    for what, size in _sizes(samples[0].inputs):
        for power, words in ((1, what), (0.5, f"the square root of {what}")):
            for sign, way in ((1, "large"), (-1, "small")):

                def scale(sample: Sample, size=size, power=sign * power) -> float:  # type: ignore[no-untyped-def]
                    return float(size(sample.inputs)) ** power

                yield Remedy(
                    "a factor that follows from the sizes",
                    f"Your result is too {way} by one factor, and this factor is {words}. Look "
                    f"for a sum where a mean is asked, or the other way round, and for a lost "
                    f"scale.",
                    lambda sample, scale=scale: sample.got / scale(sample),  # type: ignore[misc]
                )


def _ratio(sample: Sample) -> float | None:
    """The size of the result beside the expected one, if it is one number."""
    if sample.got.shape != sample.expected.shape or not sample.got.numel():
        return None
    got, expected = sample.got.double().flatten(), sample.expected.double().flatten()
    norm = float(expected @ expected)
    ratio = float(got @ expected) / norm if norm > 0 else math.nan
    return ratio if math.isfinite(ratio) and abs(ratio) > 1e-9 else None


def _sizes(inputs: Inputs) -> Iterator[tuple[str, Callable[[Inputs], float]]]:
    for name, value in inputs.items():
        if isinstance(value, Tensor):
            for axis in range(value.ndim):
                yield (
                    f"the length of axis {axis} of `{name}`",
                    lambda i, name=name, axis=axis: i[name].shape[axis],  # type: ignore[misc]
                )
            if value.ndim > 2:
                yield (
                    f"the product of the last two axes of `{name}`",
                    lambda i, name=name: i[name].shape[-1] * i[name].shape[-2],  # type: ignore[misc]
                )
        elif isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            yield f"`{name}`", lambda i, name=name: i[name]  # type: ignore[misc]


def _named(ratio: float) -> str:
    for power, root in ((1, ""), (2, "√")):
        for value, form in ((abs(ratio) ** power, "{}"), (abs(ratio) ** -power, "1/{}")):
            whole = round(value)
            if 1 < whole < 1000 and abs(value - whole) < _RATIO * value:
                return ("-" if ratio < 0 else "") + form.format(f"{root}{whole}")
    return f"{ratio:.4g}"


def shift(samples: Sequence[Sample]) -> Iterator[Remedy]:
    """Off by the same number everywhere."""
    first = samples[0]
    if first.got.shape != first.expected.shape or first.got.numel() < 2:
        return
    gap = float((first.got.double() - first.expected.double()).mean())
    yield Remedy(
        "a constant that is added",
        f"Your result differs from the expected one by the same number everywhere, {gap:.4g}.",
        lambda sample: sample.got - gap,
    )


#: (the missing step, what it does to the result)
_STEPS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("a root", torch.sqrt),
    ("a square", torch.square),
    ("an exponential", torch.exp),
    ("a logarithm", torch.log),
    ("a reciprocal", torch.reciprocal),
    ("a ReLU", torch.relu),
    ("a sigmoid", torch.sigmoid),
    ("an absolute value", torch.abs),
)


def last_step(samples: Sequence[Sample]) -> Iterator[Remedy]:
    """One more step, or one step along an axis, would make it right."""
    for what, step in _STEPS:
        yield Remedy(
            "a missing last step",
            f"Your result would be right after one more step: {what} of every number.",
            lambda sample, step=step: step(sample.got.double()),  # type: ignore[misc]
        )
    for axis in range(min(s.got.ndim for s in samples)):
        if any(s.got.shape[axis] == 1 for s in samples):
            continue
        along = f"along axis {axis}"
        steps: tuple[tuple[str, Callable[[Tensor, int], Tensor]], ...] = (
            (f"a softmax {along}", lambda t, a: t.softmax(a)),
            (f"a division by the sum {along}", lambda t, a: t / t.sum(a, keepdim=True)),
            (f"the mean subtracted {along}", lambda t, a: t - t.mean(a, keepdim=True)),
            (f"a sum {along}", lambda t, a: t.sum(a)),
            (f"a mean {along}", lambda t, a: t.mean(a)),
        )
        for what, along_axis in steps:
            yield Remedy(
                "a missing last step",
                f"Your result would be right after one more step: {what}.",
                lambda sample, step=along_axis, axis=axis: step(sample.got.double(), axis),  # type: ignore[misc]
            )


def moved(samples: Sequence[Sample]) -> Iterator[Remedy]:
    """Mirrored, or shifted by one place, along an axis."""
    for axis in range(min(s.got.ndim for s in samples)):
        yield Remedy(
            "an axis read backwards",
            f"Your result is mirrored along axis {axis}.",
            lambda sample, axis=axis: sample.got.flip(axis),  # type: ignore[misc]
        )
        for places, way in ((-1, "late"), (1, "early")):
            yield Remedy(
                "a shift by one place",
                f"Your result stands one place too {way} along axis {axis}, and what falls out "
                f"at one end comes in at the other.",
                lambda sample, axis=axis, places=places: sample.got.roll(places, axis),  # type: ignore[misc]
            )


#: In the order in which they are tried.
DETECTORS: tuple[Detector, ...] = (negative, factor, order_of_axes, shift, last_step, moved)
