"""One thing to measure: a module of the package, and what it stands beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

Form = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A module at several sizes, beside other ways to the same values.

    Attributes:
        chapter: such as ``spatial/non_local``.
        name: what is measured, in words; with ``chapter`` it names the case.
        sizes: label -> shape of the input, from small to large.
        module: shape -> the package's module for it; called for every size.
        others: name -> a function that makes another form out of the package's module, with
            the same weights where it has weights, so that the values can be compared.
        grows: the size that the derivation speaks of: shape -> number.
        along: what that size counts, in a word.
        exponents: ``{"ours": ..., "textbook": ...}``, the powers of it that the derivation
            predicts for the time at large sizes.
        floors: form -> (least ratio of times, least ratio of memories) at the largest size,
            form over ours; None where nothing is promised.
        fresh_floors: form -> least ratio of times at the largest size where every tensor above
            32 MB gets fresh memory from the system, as a process on Linux has it by default;
            only for cases with such tensors.
        ceilings: form -> greatest ratio of times, where ours is held to be no faster either.
        tolerance: of the comparison of values, in float64.
    """

    chapter: str
    name: str
    sizes: Mapping[str, tuple[int, ...]]
    module: Callable[[tuple[int, ...]], nn.Module]
    others: Mapping[str, Callable[[nn.Module, tuple[int, ...]], Form]]
    grows: Callable[[tuple[int, ...]], float]
    along: str
    exponents: Mapping[str, float] = field(default_factory=dict)
    floors: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    fresh_floors: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 1e-10
