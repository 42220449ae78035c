"""What every exercise has, whatever its kind."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import torch

from attncourse.exercises.verdict import NotAttempted, Status, Stop, Verdict

T = TypeVar("T")
_LEVELS = (1, 2, 3)
#: Seeds are short, so that one can be typed again.
_SEEDS = 10_000


@contextmanager
def single_precision() -> Iterator[None]:
    """New tensors are float32, as in a fresh session, whatever the caller has set."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _on_the_processor() -> AbstractContextManager[Any]:
    """New tensors are on the processor; costs nothing where they are anyway."""
    elsewhere = torch.get_default_device().type != "cpu"
    return torch.device("cpu") if elsewhere else nullcontext()


@dataclass(frozen=True)
class Misconception(Generic[T]):
    """A known wrong answer.

    Attributes:
        name: how the mistake is called, as in "this looks like ...".
        explanation: why it is one, and where to look.
        wrong: an answer that makes it.
        also: other answers that make it, and differ from ``wrong`` on some inputs.
    """

    name: str
    explanation: str
    wrong: T
    also: tuple[T, ...] = ()

    @property
    def forms(self) -> tuple[T, ...]:
        """All answers that make the mistake."""
        return (self.wrong, *self.also)

    @property
    def message(self) -> str:
        """What the learner is told."""
        return f"This looks like {self.name}. {self.explanation}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise(ABC):
    """One exercise of a chapter.

    Attributes:
        chapter: path such as ``channel/squeeze_excitation``.
        name: last part of the exercise's id.
        title: heading in the chapter.
        level: 1 (warm-up) to 3 (takes a while).
        task: what to hand to ``check``, in a sentence or two.
        hints: at least two, from a nudge to nearly the answer.
        explanation: what to take home, shown with a right answer.

    Raises:
        ValueError: if one of these does not suit.
    """

    chapter: str
    name: str
    title: str
    level: int
    task: str
    hints: tuple[str, ...]
    explanation: str = ""

    #: What to do with an exercise that is not attempted.
    remedy: ClassVar[str]

    def __post_init__(self) -> None:
        if self.chapter.count("/") != 1:
            raise ValueError(f"chapter={self.chapter!r} must be a path like 'channel/gating'")
        if not self.name.isidentifier():
            raise ValueError(f"name={self.name!r} must be a Python name, like 'excite'")
        if self.level not in _LEVELS:
            raise ValueError(f"{self.id}: level={self.level} must be one of {_LEVELS}")
        if len(self.hints) < 2 or len(set(self.hints)) < len(self.hints):
            raise ValueError(f"{self.id}: give at least two hints, all different")
        names = [name for name, _ in self.wrong_answers()]
        if len(set(names)) < len(names):
            raise ValueError(f"{self.id}: two misconceptions have the same name, among {names}")

    @property
    def id(self) -> str:
        """The chapter's stem, a dot and the name: ``squeeze_excitation.excite``."""
        return f"{self.chapter.rpartition('/')[2]}.{self.name}"

    def check(self, answer: Any, seed: int | None = None) -> Verdict:
        """Judge ``answer`` on inputs drawn from ``seed``, or from a fresh one.

        The caller's random state, gradient mode, default device and default type neither matter
        nor change.
        """
        if answer is None or answer is ...:
            return self.not_attempted()
        seed = secrets.randbelow(_SEEDS) if seed is None else seed
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            _on_the_processor(),
            torch.autocast("cpu", enabled=False),
            torch.random.fork_rng(devices=[]),
            single_precision(),
        ):
            torch.default_generator.manual_seed(seed)
            try:
                return self.judge(answer, seed)
            except Stop as stop:
                return self._with_help(stop.verdict)
            except NotAttempted:
                return self.not_attempted()

    def _with_help(self, verdict: Verdict) -> Verdict:
        """Where no mistake was recognised, say how to go on."""
        if verdict.misconception is not None:
            return verdict
        advice = f'`hint("{self.id}")`'
        if verdict.inputs:
            advice += "; `_.inputs` holds this input"
        return replace(verdict, details=(*verdict.details, ("Stuck?", advice)))

    def not_attempted(self) -> Verdict:
        """The verdict on an untouched exercise; its text never changes."""
        return Verdict(Status.NOT_ATTEMPTED, f"{self.task} {self.remedy}")

    def correct(self, praise: str) -> Verdict:
        """The verdict on a right answer."""
        return Verdict(Status.CORRECT, f"{praise} {self.explanation}".strip())

    @abstractmethod
    def judge(self, answer: Any, seed: int) -> Verdict:
        """Judge an answer that was attempted; may raise :class:`Stop`."""

    @abstractmethod
    def right_answers(self) -> Sequence[Any]:
        """The reference, and other answers that must pass."""

    @abstractmethod
    def wrong_answers(self) -> Sequence[tuple[str, Any]]:
        """(name of the misconception, an answer that shows it and no other)."""

    @abstractmethod
    def stubs(self) -> Sequence[Any]:
        """What an untouched exercise may hand in."""
