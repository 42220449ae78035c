"""Builders of answers, so that known mistakes can be combined.

A recipe writes the right answer once and lets each argument change one of its steps.  An answer
that a recipe made remembers what was changed, and the check can put two changes together: that is
how it recognises two known mistakes in one answer.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Generic, ParamSpec, TypeVar

from attncourse.exercises.exercise import Misconception

P = ParamSpec("P")
T = TypeVar("T")
_MARK = "_changed_steps"


@dataclass(frozen=True)
class Changed:
    """Which steps of which recipe an answer changes."""

    build: Callable[..., Any]
    steps: dict[str, Any]


def recipe(build: Callable[P, T]) -> Callable[P, T]:
    """Let the answers that ``build`` makes remember which steps were changed.

    Args:
        build: steps, all with a default -> an answer: a function or a class.

    Examples:
        >>> @recipe
        ... def _attend(scaled: bool = True, axis: int = -1):
        ...     def attend(q, k, v): ...
        ...     return attend
        >>> changed_steps(_attend(scaled=False)).steps
        {'scaled': False}
    """
    signature = inspect.signature(build)

    @functools.wraps(build)
    def remembering(*args: P.args, **kwargs: P.kwargs) -> T:
        answer = build(*args, **kwargs)
        steps = dict(signature.bind(*args, **kwargs).arguments)
        setattr(answer, _MARK, Changed(build, steps))
        return answer

    return remembering


def changed_steps(answer: Any) -> Changed | None:
    """What a recipe changed to make ``answer``; ``None`` if no recipe made it."""
    return getattr(answer, _MARK, None)


@dataclass(frozen=True)
class Pair(Generic[T]):
    """Two known mistakes in one answer."""

    first: Misconception[T]
    second: Misconception[T]
    wrong: T

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first.name}, and {self.second.name}"

    @property
    def message(self) -> str:
        """What the learner is told."""
        return (
            f"This looks like two mistakes at once: {self.first.name}, and {self.second.name}. "
            f"{self.first.explanation} {self.second.explanation}"
        )


def pairs(mistakes: Sequence[Misconception[T]]) -> Iterator[Pair[T]]:
    """All pairs of mistakes that change different steps of one recipe."""
    for first, second in combinations(mistakes, 2):
        for one, other in itertools.product(first.forms, second.forms):
            a, b = changed_steps(one), changed_steps(other)
            if a and b and a.build is b.build and not a.steps.keys() & b.steps.keys():
                yield Pair(first, second, a.build(**a.steps, **b.steps))
