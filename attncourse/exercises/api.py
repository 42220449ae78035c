"""What a chapter calls: ``check``, ``hint`` and ``quiz``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

from attncourse.exercises import progress
from attncourse.exercises.markup import Tone, panel
from attncourse.exercises.questions import Quiz
from attncourse.exercises.register import find, quiz_of
from attncourse.exercises.verdict import Result, Status, as_text


def check(
    exercise_id: str, answer: Any = ..., record: bool = True, *, seed: int | None = None
) -> Result:
    """Judge an answer to an exercise.

    Args:
        exercise_id: such as ``"squeeze_excitation.excite"``.
        answer: the learner's function, class, number or choice, as the exercise asks.
        record: whether to keep the outcome in the progress file; untouched exercises leave no
            trace there.
        seed: of the random inputs; by default a fresh one, which a *not yet* names, so that the
            same inputs can be had again.

    Returns:
        The outcome; it is true where the answer is correct.

    Raises:
        UnknownName: a ``KeyError`` that lists ids close to this one.
    """
    exercise = find(exercise_id)
    verdict = exercise.check(answer, seed)
    keep = record and verdict.status is not Status.NOT_ATTEMPTED
    note = progress.record(exercise.id, verdict.status) if keep else ""
    return Result.of(verdict, exercise.id, note)


@dataclass(frozen=True, repr=False)
class Hint:
    """One hint as ``hint`` returns it.

    Attributes:
        headline: which hint of how many.
        exercise: the exercise's id.
        text: the hint.
        next: how to go on.
        note: a word from the progress file, where there is one to say.
    """

    headline: str
    exercise: str
    text: str
    next: str
    note: str = ""

    def __repr__(self) -> str:
        return as_text(f"{self.headline}: {self.exercise}", self._paragraphs)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        html = panel(self.headline, self.exercise, self._paragraphs, (), Tone.HINT)
        return {"text/plain": repr(self), "text/html": html}

    @property
    def _paragraphs(self) -> tuple[str, ...]:
        return tuple(text for text in (self.text, self.next, self.note) if text)


def hint(exercise_id: str, stage: int | None = None) -> Hint:
    """The next hint of an exercise, or the one of a stage.

    Args:
        exercise_id: such as ``"squeeze_excitation.excite"``.
        stage: 1 for the first hint; by default the one after those read so far.

    Raises:
        UnknownName: a ``KeyError`` that lists ids close to this one.
        ValueError: if the exercise has no such stage.
    """
    exercise = find(exercise_id)
    count = len(exercise.hints)
    if stage is None:
        stage = progress.hints_read(exercise.id) + 1
    elif not (isinstance(stage, int) and 1 <= stage <= count):
        raise ValueError(f"stage={stage!r}: {exercise.id} has the stages 1 to {count}")
    solution = (
        f"The worked solution is folded below the exercise in the chapter {exercise.chapter}."
    )
    if stage > count:
        again = f'`hint("{exercise.id}", 1)` shows the first one again.'
        return Hint("No more hints", exercise.id, f"You have read all {count}. {again}", solution)
    note = progress.record_hint(exercise.id, stage)
    more = f'Another one: `hint("{exercise.id}")`.'
    last = f"That was the last hint. {solution}"
    return Hint(
        f"Hint {stage} of {count}",
        exercise.id,
        exercise.hints[stage - 1],
        more if stage < count else last,
        note,
    )


@overload
def quiz(chapter: str) -> Quiz: ...
@overload
def quiz(chapter: str, number: int, letter: str) -> Result: ...


def quiz(chapter: str, number: int | None = None, letter: str | None = None) -> Quiz | Result:
    """The quiz of a chapter, or the reply to one answer.

    Args:
        chapter: its stem or path.
        number: which question, from 1.
        letter: the chosen option.

    Raises:
        UnknownName: a ``KeyError`` that lists chapters close to this one.
        ValueError: if there is no such question or option.
    """
    questions = quiz_of(chapter)
    if number is None and letter is None:
        return questions
    if number is None or letter is None:
        raise ValueError(f'to answer, name both: quiz("{questions.stem}", 1, "a")')
    result = questions.answer(number, letter)
    note = progress.record_answer(questions.stem, number, letter, result.status)
    return Result.of(result, result.exercise, note)
