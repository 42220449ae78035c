"""What a learner has done: kept on the learner's machine, shown, backed up and carried over.

The file is ``progress.json`` in the user's data folder, or in the folder that the environment
variable ``ATTNCOURSE_HOME`` names.
"""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

from attncourse.exercises import register
from attncourse.exercises.exercise import Exercise
from attncourse.exercises.store import (
    HOME,
    ProgressFile,
    State,
    empty,
    first_of,
    free_name,
    locked,
    merge,
    now,
    parse,
    write,
)
from attncourse.exercises.verdict import Status

_FILE = ProgressFile()
_EXPORT = "attncourse-progress.json"


@dataclass(frozen=True)
class ChapterProgress:
    """How far somebody is in one chapter.

    Attributes:
        chapter: its path.
        done: exercises solved.
        total: exercises there are.
        answered: quiz questions answered rightly.
        questions: quiz questions there are.
        first: exercises solved at the first try.
        answered_first: quiz questions answered rightly at the first try.
    """

    chapter: str
    done: int
    total: int
    answered: int
    questions: int
    first: int = 0
    answered_first: int = 0


def load() -> State:
    """Everything on record; a file that cannot be used is warned of and never lost."""
    state, notice = _FILE.read()
    if notice:
        warnings.warn(notice, stacklevel=2)
    return state


def record(exercise_id: str, status: Status) -> str:
    """Count one attempt at an exercise; once solved it stays solved, and the first one is kept.

    Returns:
        A notice for the learner where there is something to say, else an empty string.
    """

    def change(state: State) -> None:
        _attempt(state["exercises"].setdefault(exercise_id, {}), status)

    return _FILE.change(change)


def record_answer(stem: str, number: int, letter: str, status: Status) -> str:
    """Count one answer to a quiz question; returns a notice as :func:`record` does."""

    def change(state: State) -> None:
        entry = state["quizzes"].setdefault(f"{stem}.{number}", {})
        entry["answer"] = letter
        _attempt(entry, status)

    return _FILE.change(change)


def record_hint(exercise_id: str, stage: int) -> str:
    """Keep how many hints were read; returns a notice as :func:`record` does."""

    def change(state: State) -> None:
        entry = state["exercises"].setdefault(exercise_id, {})
        entry["hints"] = max(stage, entry.get("hints", 0))

    return _FILE.change(change)


def hints_read(exercise_id: str) -> int:
    """How many hints of an exercise were read."""
    return load()["exercises"].get(exercise_id, {}).get("hints", 0)


def summary() -> tuple[ChapterProgress, ...]:
    """Done and total for every chapter that has exercises."""
    state = load()
    return tuple(_chapter(state, chapter) for chapter in register.chapters())


def reset(chapter: str | None = None) -> Path | None:
    """Forget one chapter, or everything, after a backup.

    Args:
        chapter: path or stem; ``None`` for all of them.

    Returns:
        The backup, or ``None`` if nothing was on record.

    Raises:
        UnknownName: if there is no such chapter.
        OSError: if no backup can be written; then nothing is forgotten.
    """
    stem = None if chapter is None else register.quiz_of(chapter).stem
    _FILE.memory = _without(_FILE.memory, stem)
    path = _FILE.path
    if not path.exists():
        return None
    with locked(path.with_suffix(".lock")):
        backup = free_name(path, "backup")
        shutil.copy2(path, backup)
        state = empty() if stem is None else _without(parse(path.read_text("utf-8")), stem)
        write(path, state)
    return backup


def export(path: Path | str) -> Path:
    """Write everything on record to ``path``, to carry it to another machine.

    Args:
        path: a new file, or a folder to put ``attncourse-progress.json`` into.

    Raises:
        FileExistsError: if the file is there already.
    """
    target = Path(path).expanduser()
    target = target / _EXPORT if target.is_dir() else target
    if target.exists():
        raise FileExistsError(f"{target} exists already: name another file, or move it away")
    write(target, load())
    return target


def restore(path: Path | str) -> str:
    """Merge an exported file into what is on record; of both, the better counts.

    Raises:
        ValueError: if ``path`` is not a progress file.
    """
    source = Path(path).expanduser()
    try:
        other = parse(source.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{source} is not a progress file: {error}") from error

    def change(state: State) -> None:
        state.update(merge(state, other))

    return _FILE.change(change)


def progress_report() -> str:
    """The learner's progress as text, for ``python -m attncourse progress``."""
    state, notice = _FILE.read()
    lines = [notice, ""] if notice else []
    done = total = 0
    for chapter in register.chapters():
        entry = _chapter(state, chapter)
        done, total = done + entry.done, total + entry.total
        lines.append(
            f"{chapter}: {_count(entry.done, entry.total, 'exercises', entry.first)}, "
            + _count(entry.answered, entry.questions, "quiz questions", entry.answered_first)
        )
        exercises = register.exercises_of(chapter)
        width = max(len(exercise.id) for exercise in exercises)
        lines += [f"  {_line(exercise, state, width)}" for exercise in exercises] + [""]
    lines.append(f"Together: {done} of {total} exercises.")
    lines.append(_whereabouts())
    return "\n".join(lines)


def _attempt(entry: State, status: Status) -> None:
    if first := first_of(entry) if entry.get("attempts") else str(status):
        entry["first"] = first
    entry["attempts"] = entry.get("attempts", 0) + 1
    entry["last"] = now()
    if entry.get("status") != Status.CORRECT:
        entry["status"] = str(status)
        if status is Status.CORRECT:
            entry["solved"] = entry["last"]


def _solved(entries: State, name: str) -> bool:
    return entries.get(name, {}).get("status") == Status.CORRECT


def _solved_at_once(entries: State, name: str) -> bool:
    return _solved(entries, name) and first_of(entries[name]) == Status.CORRECT


def _chapter(state: State, chapter: str) -> ChapterProgress:
    exercises, quiz = register.exercises_of(chapter), register.quiz_of(chapter)
    names = [exercise.id for exercise in exercises]
    numbers = [f"{quiz.stem}.{number}" for number in range(1, len(quiz.questions) + 1)]
    return ChapterProgress(
        chapter,
        sum(_solved(state["exercises"], name) for name in names),
        len(names),
        sum(_solved(state["quizzes"], number) for number in numbers),
        len(numbers),
        sum(_solved_at_once(state["exercises"], name) for name in names),
        sum(_solved_at_once(state["quizzes"], number) for number in numbers),
    )


def _count(done: int, total: int, what: str, first: int) -> str:
    return f"{done} of {total} {what}" + (f" ({first} at the first try)" if done else "")


def _line(exercise: Exercise, state: State, width: int) -> str:
    entry = state["exercises"].get(exercise.id, {})
    mark = "x" if _solved(state["exercises"], exercise.id) else " "
    parts = [entry.get("status", "not attempted")]
    if parts[0] == Status.CORRECT and (first := first_of(entry)):
        parts[0] += f" at {'the first' if first == Status.CORRECT else 'a later'} try"
    for field, one, many in (("attempts", "try", "tries"), ("hints", "hint", "hints")):
        if count := entry.get(field, 0):
            parts.append(f"{count} {one if count == 1 else many}")
    return f"[{mark}] {exercise.id:{width}}  level {exercise.level}  {', '.join(parts)}"


def _without(state: State, stem: str | None) -> State:
    if stem is None:
        return empty()
    kept = dict(state)
    for section in ("exercises", "quizzes"):
        kept[section] = {k: v for k, v in state[section].items() if k.partition(".")[0] != stem}
    return kept


def _whereabouts() -> str:
    try:
        path = _FILE.path
    except OSError as error:
        return f"Not kept: {error}. Let {HOME} name a folder you may write to."
    nearest = next(p for p in (path, *path.parents) if p.exists())
    if os.access(nearest, os.W_OK) and (nearest == path or nearest.is_dir()):
        return f"Kept in {path}"
    return f"Not kept: {nearest} cannot be written to. Let {HOME} name another folder."
