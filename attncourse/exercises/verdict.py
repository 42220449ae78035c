"""What comes of a check, and how it is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from attncourse.exercises.markup import Tone, panel, punctuated

_WIDTH = 96


class Status(StrEnum):
    """The three outcomes of a check."""

    CORRECT = "correct"
    NOT_YET = "not yet"
    NOT_ATTEMPTED = "not attempted"


_HEADLINES = {
    Status.CORRECT: ("Correct", Tone.GOOD),
    Status.NOT_YET: ("Not yet", Tone.OPEN),
    Status.NOT_ATTEMPTED: ("Not attempted yet", Tone.NEUTRAL),
}


@dataclass(frozen=True, eq=False)
class Verdict:
    """The judgement of one answer.

    Attributes:
        status: correct, not yet or not attempted.
        message: one to four sentences to the learner.
        misconception: name of the known mistake that the answer shows, if any.
        details: (label, text) pairs: the input, what was expected, what came.
        inputs: the input on which the answer failed, by name.
    """

    status: Status
    message: str
    misconception: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False, eq=False)
class Result(Verdict):
    """A verdict as ``check`` returns it: shown as text or as a small accessible panel.

    Attributes:
        exercise: what was checked.
        note: a word from the progress file, where there is one to say.
    """

    exercise: str = ""
    note: str = ""

    @classmethod
    def of(cls, verdict: Verdict, exercise: str, note: str = "") -> Self:
        """The verdict on ``exercise``."""
        return cls(
            verdict.status,
            verdict.message,
            verdict.misconception,
            verdict.details,
            verdict.inputs,
            exercise=exercise,
            note=note,
        )

    def __bool__(self) -> bool:
        return self.status is Status.CORRECT

    def __repr__(self) -> str:
        headline, _ = _HEADLINES[self.status]
        return as_text(f"{headline}: {self.exercise}", self._paragraphs, self.details)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        headline, tone = _HEADLINES[self.status]
        html = panel(headline, self.exercise, self._paragraphs, self.details, tone)
        return {"text/plain": repr(self), "text/html": html}

    @property
    def _paragraphs(self) -> tuple[str, ...]:
        return tuple(text for text in (self.message, self.note) if text)


class Stop(Exception):
    """Ends a check early with a verdict; never reaches the learner."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


class NotAttempted(Exception):
    """Ends a check early because the learner's code is still the stub."""


def not_yet(
    message: str,
    *,
    misconception: str | None = None,
    details: tuple[tuple[str, str], ...] = (),
    inputs: Mapping[str, Any] | None = None,
) -> Stop:
    """A *not yet* that can be raised from any depth of a check."""
    return Stop(Verdict(Status.NOT_YET, message, misconception, details, inputs or {}))


def as_text(
    headline: str, paragraphs: tuple[str, ...], details: tuple[tuple[str, str], ...] = ()
) -> str:
    """Headline, paragraphs and aligned details as plain text, wrapped."""
    lines = _wrap(headline, "", "   ")
    for paragraph in paragraphs:
        lines += _wrap(paragraph, "  ", "  ")
    column = max((len(label) for label, _ in details), default=0) + 4
    for label, text in details:
        lines += _wrap(text, f"  {punctuated(label)}".ljust(column), " " * column)
    return "\n".join(lines)


def _wrap(text: str, first: str, rest: str) -> list[str]:
    # A long name or number is left whole, so that it can be copied.
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
