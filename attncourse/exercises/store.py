"""The progress file: locked, merged, replaced at once, and never in a learner's way."""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from platformdirs import user_data_path

#: Names a folder for the progress file in place of the user's own data folder.
HOME = "ATTNCOURSE_HOME"
VERSION = 1
State = dict[str, Any]
_PATIENCE_S = 5.0
_ORDER = {"not yet": 0, "correct": 1}


class ProgressFile:
    """Reads and changes the progress file; falls back to this process's memory.

    No method raises because of the file: where it cannot be read or written, the changes stay
    in memory, :meth:`change` says so once, and they are written as soon as that works again.
    """

    def __init__(self) -> None:
        self.memory = empty()
        self._told = False

    @property
    def path(self) -> Path:
        """Where progress is kept.

        Raises:
            OSError: if this machine has no home folder and none is named.
        """
        named = os.environ.get(HOME)
        try:
            folder = Path(named).expanduser().absolute() if named else user_data_path("attncourse")
        except RuntimeError as error:
            raise OSError(f"no home folder: {error}") from error
        if not folder.is_absolute():
            raise OSError("no home folder")
        return folder / "progress.json"

    def read(self) -> tuple[State, str]:
        """All that is known, and a notice for the learner, mostly empty."""
        try:
            path = self.path
            if not path.exists():
                return deepcopy(self.memory), ""
            try:
                state, notice = _load(path, set_aside=False)
            except ValueError:
                # Under the lock, so that a file somebody has just mended is not moved away.
                with locked(path.with_suffix(".lock")):
                    state, notice = _load(path)
        except OSError as error:
            return deepcopy(self.memory), self._once(error)
        return merge(state, self.memory), notice

    def change(self, change: Callable[[State], None]) -> str:
        """Apply ``change`` to the stored state; return a notice for the learner, mostly empty."""
        try:
            path = self.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                state, notice = _load(path) if path.exists() else (empty(), "")
                state = merge(state, self.memory)
                change(state)
                write(path, state)
        except OSError as error:
            change(self.memory)
            return self._once(error)
        self.memory = empty()
        return notice

    def _once(self, error: OSError) -> str:
        if self._told:
            return ""
        self._told = True
        return (
            f"Your progress is not kept: {error.strerror or error}. It counts until Python stops. "
            f"To keep it, let the environment variable {HOME} name a folder you may write to."
        )


def empty() -> State:
    """The state of somebody who has done nothing yet."""
    return {"version": VERSION, "exercises": {}, "quizzes": {}}


def now() -> str:
    """The time as it stands in the file."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def merge(one: State, other: State) -> State:
    """Both together: the better status, the larger counts, whatever only one of them has."""
    merged = {**deepcopy(other), **deepcopy(one)}
    for section in ("exercises", "quizzes"):
        merged[section] = deepcopy(one[section])
        for name, entry in other[section].items():
            merged[section][name] = _merge_entries(merged[section].get(name, {}), entry)
    return merged


def first_of(entry: State) -> str | None:
    """What the first try was; an older entry tells it where nothing else is possible."""
    if "first" in entry:
        return str(entry["first"])
    status, attempts = entry.get("status"), entry.get("attempts", 0)
    known = attempts == 1 or (attempts and status == "not yet")
    return status if known else None


def _merge_entries(one: State, other: State) -> State:
    both = {**other, **one}
    if firsts := [first for first in map(first_of, (one, other)) if first]:
        both["first"] = min(firsts, key=lambda s: _ORDER.get(s, -1))
    if "status" in one and "status" in other:
        both["status"] = max(one["status"], other["status"], key=lambda s: _ORDER.get(s, -1))
    for field in ("attempts", "hints"):
        if field in both:
            both[field] = max(one.get(field, 0), other.get(field, 0))
    return both


def write(path: Path, state: State) -> None:
    """Write beside the target, then move into place: no reader ever sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            json.dump(state, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def parse(text: str) -> State:
    """Read a state.

    Raises:
        ValueError: if this is not a progress file.
    """
    state = json.loads(text)
    if not isinstance(state, dict) or not isinstance(state.get("version"), int):
        raise ValueError("it has no version")
    for section in ("exercises", "quizzes"):
        entries = state.get(section)
        if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
            raise ValueError(f"its {section} are not a table")
    return cast(State, state)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    counts = [entry.get(field, 0) for field in ("attempts", "hints")]
    words = [entry.get(field, "correct") for field in ("status", "first")]
    return all(type(n) is int for n in counts) and all(word in [*_ORDER] for word in words)


def _load(path: Path, *, set_aside: bool = True) -> tuple[State, str]:
    raw = path.read_bytes()
    try:
        state = parse(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if not set_aside:
            raise ValueError(str(error)) from error
        kept = free_name(path, "broken")
        os.replace(path, kept)
        return empty(), (
            f"The progress file could not be read ({error}). It was kept as {kept}, and a new "
            f"one was begun."
        )
    if state["version"] > VERSION:
        raise OSError(
            f"{path} was written by a newer version of the course and is left as it is; update "
            f"attncourse"
        )
    return state, ""


def free_name(path: Path, word: str) -> Path:
    """A name beside ``path`` that nothing has yet, with ``word`` and the date in it."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = (
        path.with_name(f"{path.stem}.{word}-{stamp}{f'-{n}' if n else ''}{path.suffix}")
        for n in itertools.count()
    )
    return next(name for name in names if not name.exists())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system itself drops when the process ends, however it ends.

    Raises:
        TimeoutError: if somebody else holds it for more than five seconds.
    """
    with open(path, "a+b") as file:
        deadline = time.monotonic() + _PATIENCE_S
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} is held by another program")
            time.sleep(0.01)
        try:
            yield
        finally:
            _unlock(file.fileno())


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: go on without one
            return True
        return True

    def _unlock(descriptor: int) -> None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
