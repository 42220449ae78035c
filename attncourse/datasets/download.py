"""A downloader for pooch that goes on where an earlier transfer broke off."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError

#: Set to "off" by the tools that execute notebooks, so that no bar lands in stored outputs.
SWITCH = "ATTNCOURSE_PROGRESS"

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
# Answers that another attempt may turn into a good one: timed out, too early, too many.
_PASSING = {408, 425, 429}


@dataclass(frozen=True)
class Transfer:
    """How patient a download is.

    Attributes:
        connect: seconds to wait for a connection.
        read: seconds to wait for the next bytes.
        retries: further attempts at one address after attempts that brought little or nothing.
        pause: seconds before the first retry; doubled for each one that follows, up to 30.
        progress: an attempt that brought this many new bytes does not count as a failed one.
        patience: seconds to wait for another process that holds the file and writes nothing.
        block: bytes read at a time; at most this much is lost when a connection breaks.
    """

    connect: float = 10.0
    read: float = 30.0
    retries: int = 4
    pause: float = 1.0
    progress: int = 1 << 20
    patience: float = 120.0
    block: int = 1 << 14


class TransferError(Exception):
    """This address will not give the file."""


class _Interrupted(Exception):
    """This attempt failed; the next one may not."""


class ResumingDownload:
    """Download a file of known length into ``part``; a part that is there already is gone on with.

    Instances are downloaders as pooch wants them: ``downloader(url, output_file, pooch)``.

    Attributes:
        resumed: whether the file was put together from several transfers, which is when a wrong
            sha256 is worth one attempt from zero.
    """

    def __init__(self, part: Path, size: int, transfer: Transfer) -> None:
        self.part = part
        self.size = size
        self.transfer = transfer
        self.resumed = False
        self._answered = False

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetch ``url`` and move it to ``output_file``.

        Raises:
            TransferError: if this address refuses, offers a file of another length, or keeps
                breaking off.
            OSError: if the disk does not take what arrives.
        """
        failures, best = 0, self._have()
        self.resumed, self._answered = best > 0, False
        with progress_bar(self.part.stem, self.size, best) as bar:
            while self._have() != self.size:
                try:
                    self._attempt(url, bar)
                except _Interrupted as error:
                    have = self._have()
                    failures = 1 if have >= best + self.transfer.progress else failures + 1
                    best = max(best, have)
                    # A server that never answered is not asked again: there are mirrors.
                    if not self._answered or failures > self.transfer.retries:
                        times = f", {failures} times without progress" * (failures > 1)
                        raise TransferError(f"{error}{times}") from error
                    time.sleep(min(self.transfer.pause * 2 ** (failures - 1), 30))
        os.replace(self.part, output_file)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, url: str, bar: Any) -> None:
        have = self._have()
        if have > self.size:
            self.part.unlink()
            have = 0
        # "identity": a .gz is to arrive as it is, not packed or unpacked on the way.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        waits = (self.transfer.connect, self.transfer.read)
        try:
            with requests.get(url, headers=headers, stream=True, timeout=waits) as response:
                self._answered = True
                self._receive(response, self._start(response, have), bar)
        except (requests.RequestException, HTTPError) as error:
            raise _Interrupted(_readable(error)) from error

    def _start(self, response: requests.Response, have: int) -> int:
        """Where in the file the body of this response begins."""
        code = response.status_code
        if code == 200:  # also from a server that ignores Range
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and int(length) != self.size:
                raise TransferError(
                    f"the file offered has {length} bytes, not {self.size}: "
                    f"perhaps a login page, or the file was changed"
                )
            return 0
        if code == 206:
            match = _RANGE.match(response.headers.get("Content-Range", ""))
            if match and int(match[1]) == have and match[2] in ("*", str(self.size)):
                return have
        if code in (206, 416):
            self.part.unlink(missing_ok=True)
            raise _Interrupted("the server answered another range than it was asked for")
        answer = f"HTTP {code} {response.reason}".rstrip()
        if code >= 500 or code in _PASSING:
            raise _Interrupted(answer)
        raise TransferError(answer)

    def _receive(self, response: requests.Response, start: int, bar: Any) -> None:
        """Write the body at ``start``, no more of it than the file is long."""
        self.resumed = start > 0
        if start == 0 and bar.n:
            bar.reset()
            bar.initial = 0
        received = start
        with open(self.part, "r+b" if start else "wb") as file:
            file.seek(start)
            while block := response.raw.read(self.transfer.block, decode_content=False):
                received += len(block)
                if received > self.size:
                    file.truncate(0)  # it is another file: nothing of it is worth keeping
                    raise TransferError(f"the server sent more than the file's {self.size} bytes")
                file.write(block)
                bar.update(len(block))
        if received < self.size:  # older versions of urllib3 do not notice
            raise _Interrupted(f"the connection ended after {received} of {self.size} bytes")


def _readable(error: Exception) -> str:
    """The innermost reason of a nest of network exceptions, and the class that names it."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    kind, reason = type(error).__name__, str(inner)
    return f"{kind}: {reason}" if reason else kind


def progress_bar(title: str, total: int, start: int) -> Any:
    """A tqdm bar in bytes: a widget in a notebook, a line in a terminal, else nothing.

    It is off where the environment variable ``ATTNCOURSE_PROGRESS`` is ``off``, and where
    standard error is a file or a pipe.
    """
    from tqdm.auto import tqdm

    watched = "ipykernel" in sys.modules or sys.stderr.isatty()
    off = os.environ.get(SWITCH, "").lower() == "off" or not watched
    return tqdm(
        total=total,
        initial=start,
        desc=title,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        leave=False,
        disable=off,
    )
