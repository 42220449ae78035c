"""A place for a half-finished download that two processes never write to at once.

Everything unfinished lies in a folder beside the target, ``<name>.partial``, which belongs to
whoever holds the lock ``<name>.lock``.  The operating system drops the lock when its holder
dies, so what a killed process left in the folder is found, and used, by the next one.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_log = logging.getLogger(__name__)

if sys.platform == "win32":  # pragma: no cover  (the tests run where fcntl is)
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def staging(target: Path, *, patience: float) -> Iterator[Path]:
    """Give a folder beside ``target`` to work in; it is gone afterwards.

    It stays only if the process is killed or interrupted (``KeyboardInterrupt``): then the next
    call finds what was received so far.

    Args:
        target: the file that is to be made; its folder is created.
        patience: seconds for which another process may hold the lock without writing anything;
            after that, or where the file system knows no locks, the folder is a private one.

    Raises:
        OSError: if the folder cannot be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_name(f"{target.name}.lock")
    shared = target.with_name(f"{target.name}.partial")
    handle = _wait_for(lock, shared, patience)
    folder = shared
    if handle is None:
        folder = target.with_name(f"{target.name}.{uuid4().hex}.partial")
    keep = False
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    except BaseException as error:
        keep = handle is not None and not isinstance(error, Exception)
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            with suppress(OSError):  # on Windows an open file cannot be removed: it may stay
                lock.unlink()
            os.close(handle)


def _wait_for(lock: Path, watched: Path, patience: float) -> int | None:
    """Open and lock ``lock``; ``None`` if that is impossible or its holder does nothing."""
    seen, since = -1, time.monotonic()
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
            # The former holder removes the file: a lock on a removed file keeps nobody out.
            if os.path.samestat(os.fstat(handle), os.stat(lock)):
                return handle
        except (BlockingIOError, PermissionError, FileNotFoundError):
            pass
        except OSError as error:
            os.close(handle)
            _log.debug("%s cannot be locked (%s): using a private folder", lock, error)
            return None
        os.close(handle)
        size = _size(watched)
        if size != seen:
            if seen >= 0:
                _log.debug("waiting for another process that writes to %s", watched)
            seen, since = size, time.monotonic()
        elif time.monotonic() - since > patience:
            _log.warning("%s is held by a process that does nothing: not waiting for it", lock)
            return None
        time.sleep(0.05)


def _size(folder: Path) -> int:
    with suppress(OSError):
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    return 0
