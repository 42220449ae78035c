"""What a published page needs to judge answers without a kernel, as plain data.

``book/_static/answers.js`` says with it what ``check`` says: whatever has to be computed, such as
the truth and the numbers of a known mistake, is computed here.  Exercises that ask for code have
no such data.  ``python -m attncourse exercises --json > book/_data/exercises.json`` writes it.
"""

from __future__ import annotations

import ast
import math
from functools import singledispatch
from typing import Any

from attncourse.exercises.choice import ChoiceExercise, TableExercise, letters
from attncourse.exercises.exercise import Exercise
from attncourse.exercises.register import all_exercises
from attncourse.exercises.value import ValueExercise, numbers_of, rounded, shown

Record = dict[str, Any]


def as_records() -> dict[str, list[Record]]:
    """Chapter -> the data of its exercises that a page can judge, in the order of the course."""
    return {
        chapter: [found for exercise in exercises if (found := record(exercise))]
        for chapter, exercises in all_exercises().items()
    }


def record(exercise: Exercise) -> Record | None:
    """The data of one exercise; ``None`` where code is asked for.

    Raises:
        ValueError: if several numbers are asked for and not named one by one, or if a known
            mistake has another count of them.
    """
    own = _of_its_kind(exercise)
    common = {"id": exercise.id, "title": exercise.title, "task": exercise.task}
    return None if own is None else common | own


@singledispatch
def _of_its_kind(exercise: Exercise) -> Record | None:
    return None


@_of_its_kind.register
def _(exercise: ValueExercise) -> Record:
    truth = numbers_of(exercise.truth())
    if len(exercise.parts) != (len(truth) if len(truth) > 1 else 0):
        raise ValueError(
            f"{exercise.id}: name each of {len(truth)} numbers in parts, got {exercise.parts}"
        )
    if any(len(numbers_of(mistake.wrong)) != len(truth) for mistake in exercise.misconceptions):
        raise ValueError(f"{exercise.id}: a misconception has not {len(truth)} numbers")
    low, high = exercise.low, exercise.high
    return {
        "kind": "value",
        "fields": list(exercise.parts) or [exercise.unit],
        "correct": exercise.correct("That is right.").message,
        "truth": truth,
        "relative": exercise.tolerance.relative,
        "absolute": exercise.tolerance.absolute,
        "digits": exercise.digits,
        "percent": exercise.per_sign,
        "low": low if math.isfinite(low) else None,
        "high": high if math.isfinite(high) else None,
        "range": f"the answer is {exercise.unit}, from {shown(low)} to {shown(high)}.",
        "rounded": rounded(truth[0]) if len(truth) == 1 else (),
        "mistakes": [
            {
                "forms": [numbers_of(form) for form in mistake.forms],
                "name": mistake.name,
                "explanation": mistake.explanation,
            }
            for mistake in exercise.misconceptions
        ],
    }


@_of_its_kind.register
def _(exercise: ChoiceExercise) -> Record:
    return {
        "kind": "choice",
        "options": [
            {
                "letter": letter,
                "text": option.text,
                "code": _is_code(option.text),
                "right": option.right,
                "message": exercise.correct(option.reason).message
                if option.right
                else f"Not this one. {option.reason}",
            }
            for letter, option in letters(exercise.options).items()
        ],
    }


def _is_code(text: str) -> bool:
    """Whether an option is a line of Python, such as ``line 2: y = x.mT``."""
    line = text.rpartition(": ")[2] if text.startswith("line ") else text
    try:
        return isinstance(ast.parse(line).body[0], ast.Assign)
    except (SyntaxError, IndexError):
        return False


@_of_its_kind.register
def _(exercise: TableExercise) -> Record:
    return {
        "kind": "table",
        "labels": exercise.labels,
        "correct": exercise.correct("Every row is right.").message,
        "truth": {row: sorted(labels) for row, labels in exercise.truth.items()},
        "mistakes": [
            {
                "forms": [
                    {"row": row, "label": sorted(what) if isinstance(what, frozenset) else what}
                    for row, what in mistake.forms
                ],
                "name": mistake.name,
                "explanation": mistake.explanation,
            }
            for mistake in exercise.misconceptions
        ],
    }
