"""Where files come from: first a local folder that is only read, then the cache, then the net."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pooch

from attncourse.datasets.download import ResumingDownload, Transfer, TransferError
from attncourse.datasets.errors import DataError
from attncourse.datasets.registry import RemoteFile
from attncourse.datasets.staging import staging

_log = logging.getLogger(__name__)

#: Names a folder with data sets; it is looked at first and never written to.
DATA = "ATTNCOURSE_DATA"
#: Names the folder that keeps downloads.
CACHE = "ATTNCOURSE_CACHE"


@dataclass(frozen=True)
class Store:
    """The places to look for files.

    Attributes:
        cache: the folder that keeps downloads.
        data: a local folder that is looked at first, or ``None``.
        transfer: how patient downloads are.
    """

    cache: Path
    data: Path | None = None
    transfer: Transfer = field(default_factory=Transfer)

    @classmethod
    def from_environment(cls) -> Store:
        """The store that ``ATTNCOURSE_DATA`` and ``ATTNCOURSE_CACHE`` describe."""
        data = os.environ.get(DATA)
        cache = os.environ.get(CACHE) or pooch.os_cache("attncourse")
        return cls(
            cache=Path(cache).expanduser().absolute(),
            data=Path(data).expanduser().absolute() if data else None,
        )

    def local(self, names: Sequence[str]) -> list[Path] | None:
        """Paths of these files in the local folder, or ``None`` unless all of them are there."""
        if self.data is None or self._lacking(names):
            return None
        return [self.data / name for name in names]

    def remedy(self, path: Path) -> str:
        """What to do about ``path``, once it has turned out to be damaged."""
        if self.data is not None and path.is_relative_to(self.data):
            return f"replace it by a fresh copy, or unset {DATA} to download one"
        return "move it away and call again to download it anew"

    def fetch(
        self,
        file: RemoteFile,
        *,
        folder: str,
        mirrors: Sequence[str],
        instead: Sequence[Sequence[str]],
    ) -> Path:
        """Path of ``file`` in the cache, downloaded unless a good copy is there.

        A file in the cache is touched only by a complete and verified one that takes its place.

        Args:
            file: what to get.
            folder: where it lies below the cache.
            mirrors: addresses that its name is appended to, tried in turn.
            instead: groups of names below the local folder; any one complete group would have
                made this call unnecessary, and messages say so.

        Raises:
            DataError: if no mirror gives the file, or the cache cannot hold it.
        """
        target = self.cache / folder / file.name
        local = f"set {DATA} to a folder that holds {' or '.join(map(_shown, instead))}"
        notes = self._searched(instead)
        try:
            present = sha256_of(target)
            if present == file.sha256:
                for note in notes:
                    _log.info("%s Using %s.", note, target)
                return target
            if present is not None:
                notes.append(
                    f"{target} is damaged (sha256 {present}, expected {file.sha256}): "
                    f"it is not used."
                )
            for note in notes:
                _log.warning("%s Downloading %s.", note, file.name)
            with staging(target, patience=self.transfer.patience) as workplace:
                # While this process waited for its turn, another may have brought the file.
                if sha256_of(target) != file.sha256:
                    urls = [mirror + file.name for mirror in mirrors]
                    os.replace(self._first_answer(file, urls, workplace), target)
        except _NoAnswerError as error:
            raise DataError(
                "\n".join(
                    [
                        f"{file.name} could not be downloaded to {target.parent}:",
                        *(f"  {failure}" for failure in error.args),
                        *notes,
                        f"Check the connection, or {local}.",
                    ]
                )
            ) from error
        except OSError as error:
            raise DataError(
                "\n".join(
                    [
                        f"{file.name} cannot be kept in the cache folder {target.parent}: {error}.",
                        *notes,
                        f"Free {max(1, round(file.size / 1e6))} MB there, or set {CACHE} to a "
                        f"folder that you may write to, or {local}.",
                    ]
                )
            ) from error
        return target

    def _lacking(self, names: Sequence[str]) -> list[str]:
        assert self.data is not None
        return [name for name in names if not os.path.isfile(self.data / name)]

    def _searched(self, groups: Sequence[Sequence[str]]) -> list[str]:
        """A sentence on what the local folder was searched for; none where there is no folder."""
        if self.data is None:
            return []
        if not self.data.is_dir():
            return [f"{DATA}={self.data} is not a folder."]
        lacking = [missing[0] for group in groups if (missing := self._lacking(group))]
        return [f"{DATA}={self.data} lacks {', '.join(lacking)}."]

    def _first_answer(self, file: RemoteFile, urls: Sequence[str], workplace: Path) -> str:
        """Download from the first address that gives the right file; its path in ``workplace``."""
        failures = []
        for url in urls:
            try:
                return self._retrieve(file, url, workplace)
            except (TransferError, ValueError) as error:  # pooch: ValueError for a wrong hash
                failures.append(f"{url}: {error}")
        raise _NoAnswerError(*failures)

    def _retrieve(self, file: RemoteFile, url: str, workplace: Path) -> str:
        download = ResumingDownload(workplace / f"{file.name}.part", file.size, self.transfer)

        def retrieve() -> str:
            return pooch.retrieve(
                url, f"sha256:{file.sha256}", fname=file.name, path=workplace, downloader=download
            )

        with _quiet_pooch():
            try:
                return retrieve()
            except ValueError:
                # The pieces may be of two versions of the file: one attempt from zero.  Pooch
                # has deleted what was put together.
                if not download.resumed:
                    raise
                _log.info("the pieces of %s do not fit: downloading it from the start", file.name)
                return retrieve()


class _NoAnswerError(Exception):
    """No mirror gave the file; the arguments say why, one for each."""


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Keep pooch's notes, which go to standard error, out of notebooks."""
    log = pooch.get_logger()
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def _shown(group: Sequence[str]) -> str:
    return group[0] if len(group) == 1 else f"{group[0].rsplit('/', 1)[0]}/"


def sha256_of(path: Path) -> str | None:
    """The sha256 of a file in hexadecimal, or ``None`` where there is no file."""
    if not path.exists():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
