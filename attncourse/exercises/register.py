"""Find exercises and quizzes by the name of their chapter."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import itertools
from collections.abc import Iterable
from types import ModuleType

from attncourse.catalog import CHAPTERS_WRITTEN
from attncourse.exercises.exercise import Exercise
from attncourse.exercises.questions import Quiz

#: Chapters with exercises that stand before the first mechanism, so without an identity card.
EXTRA_CHAPTERS = ("foundations/what_is_attention", "foundations/building_blocks")
#: Those that stand behind the last one.
CLOSING_CHAPTERS = ("closing/choosing", "closing/cost")
_PACKAGE = "attncourse.exercises"


class UnknownName(KeyError):
    """No exercise or quiz has this name; the message lists names close to it."""

    def __str__(self) -> str:  # KeyError would show the quotes and escapes of a repr.
        return str(self.args[0])


def chapters() -> tuple[str, ...]:
    """Paths of the chapters whose exercises are written, in the order of the course."""
    planned = (*EXTRA_CHAPTERS, *CHAPTERS_WRITTEN, *CLOSING_CHAPTERS)
    return tuple(chapter for chapter in planned if _exists(chapter))


def exercises_of(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter, named by its path or by its stem.

    Raises:
        UnknownName: if it has none.
    """
    return _module(chapter).EXERCISES


def quiz_of(chapter: str) -> Quiz:
    """The quiz of a chapter, named by its path or by its stem.

    Raises:
        UnknownName: if it has none.
    """
    return _module(chapter).QUIZ


def find(exercise_id: str) -> Exercise:
    """The exercise ``stem.name``.

    Raises:
        UnknownName: if there is none; the message lists names close to it.
    """
    if not isinstance(exercise_id, str):
        raise TypeError(
            f"an exercise is named by a string such as 'squeeze_excitation.excite', "
            f"got {exercise_id!r}"
        )
    stem = exercise_id.partition(".")[0]
    near = tuple(chapter for chapter in chapters() if _stem(chapter) == stem)
    for chapter in near or chapters():
        for exercise in exercises_of(chapter):
            if exercise.id == exercise_id:
                return exercise
    ids = [exercise.id for chapter in near or chapters() for exercise in exercises_of(chapter)]
    raise UnknownName(_missing("exercise", exercise_id, ids))


def all_exercises() -> dict[str, tuple[Exercise, ...]]:
    """Chapter path -> exercises, in the order of the course."""
    return {chapter: exercises_of(chapter) for chapter in chapters()}


def _exists(chapter: str) -> bool:
    try:
        return importlib.util.find_spec(_dotted(chapter)) is not None
    except ModuleNotFoundError:  # not even the category's folder is there
        return False


def _module(name: str) -> ModuleType:
    for chapter in chapters():
        if name in (chapter, _stem(chapter)):
            return importlib.import_module(_dotted(chapter))
    raise UnknownName(_missing("chapter with exercises", name, map(_stem, chapters())))


def _missing(what: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    # What all have in common, such as the chapter's stem, would make all of them look close.
    columns = zip(str(name), *names, strict=False)
    start = len(list(itertools.takewhile(lambda letters: len(set(letters)) == 1, columns)))
    tails = {known_name[start:]: known_name for known_name in names}
    close = difflib.get_close_matches(str(name)[start:], tails, n=3)
    advice = f"did you mean {' or '.join(repr(tails[tail]) for tail in close)}?"
    if not close:
        advice = f"there are: {', '.join(map(repr, names))}"
    return f"no {what} is called {name!r}; {advice}"


def _dotted(chapter: str) -> str:
    return f"{_PACKAGE}.{chapter.replace('/', '.')}"


def _stem(chapter: str) -> str:
    return chapter.rpartition("/")[2]
