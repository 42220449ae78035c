"""Data sets: whatever net, disk or folder do, arrays that are right or a clear error."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from attncourse import datasets
from attncourse.datasets import DataError, download, staging
from attncourse.datasets.cifar import load_cifar
from attncourse.datasets.download import Transfer, progress_bar
from attncourse.datasets.idx import load_idx, parse_idx
from attncourse.datasets.images import Split, assemble
from attncourse.datasets.registry import (
    CIFAR10,
    FASHION_MNIST,
    MNIST,
    CifarBatch,
    CifarSet,
    IdxFile,
    IdxSet,
    RemoteFile,
)
from attncourse.datasets.store import Store
from tests.conftest import PATIENCE

#: A file of "a few blocks", which cannot be mistaken for a shifted copy of itself.
BODY = np.random.default_rng(0).bytes(50_000)
FILE = RemoteFile("thing.bin", len(BODY), hashlib.sha256(BODY).hexdigest())
QUICK = Transfer(
    connect=5, read=5, retries=2, pause=0.01, progress=1 << 30, patience=10, block=1000
)


# --- a server that misbehaves on request ------------------------------------------------------


class Server:
    """Serves ``body`` at every address; ``plan`` says how the next requests are answered."""

    def __init__(self, body: bytes = BODY):
        self.body = body
        self.bodies: dict[str, bytes] = {}
        self.plan: list[Callable] = []
        self.seen: list[tuple[str, str | None]] = []
        self.accepted: list[str | None] = []
        self.sent = 0
        self.released = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.seen.append((self.path, self.headers.get("Range")))
                owner.accepted.append(self.headers.get("Accept-Encoding"))
                answer = owner.plan.pop(0) if owner.plan else good
                with suppress(OSError):  # the client may have hung up
                    answer(self, owner.bodies.get(self.path.rsplit("/", 1)[-1], owner.body))

            def log_message(self, *_):
                pass

            def head(self, code=200, **headers):
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()

            def put(self, data):
                self.wfile.write(data)
                self.wfile.flush()
                owner.sent += len(data)

            @property
            def start(self):
                asked = self.headers.get("Range")
                return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

            @property
            def owner(self):
                return owner

        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._httpd.daemon_threads = True
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._httpd.server_port}/"

    def stop(self):
        self.released.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


def good(h, body):
    rest = body[h.start :]
    if h.start:
        h.head(
            206,
            Content_Length=len(rest),
            Content_Range=f"bytes {h.start}-{len(body) - 1}/{len(body)}",
        )
    else:
        h.head(Content_Length=len(rest))
    h.put(rest)


def ignores_range(h, body):
    h.head(Content_Length=len(body))
    h.put(body)


def breaks_after(count):
    """Promise everything that was asked for, send ``count`` bytes of it and hang up."""

    def answer(h, body):
        rest = body[h.start :]
        if h.start:
            h.head(
                206,
                Content_Length=len(rest),
                Content_Range=f"bytes {h.start}-{len(body) - 1}/{len(body)}",
            )
        else:
            h.head(Content_Length=len(rest))
        h.put(rest[:count])

    return answer


def stalls_after(count):
    def answer(h, body):
        h.head(Content_Length=len(body))
        h.put(body[:count])
        h.owner.released.wait(20)

    return answer


def status(code):
    def answer(h, body):
        h.head(code, Content_Length=0)

    return answer


def corrupted(h, body):
    good(h, bytes(byte ^ 1 for byte in body))


def without_length(count):
    """No Content-Length: nobody can tell from the headers where the end is."""

    def answer(h, body):
        h.head()
        h.put((body * 2)[:count])

    return answer


def login_page(h, body):
    page = b"<html>please log in</html>"
    h.head(Content_Type="text/html", Content_Length=len(page))
    h.put(page)


def another_range(h, body):
    h.head(206, Content_Length=10, Content_Range=f"bytes 7-16/{len(body)}")
    h.put(body[7:17])


def called_gzip(h, body):
    """Some servers mark a .gz as an encoding, and clients then unpack it unasked."""
    h.head(Content_Length=len(body), Content_Encoding="gzip")
    h.put(body)


def slowly(h, body):
    h.head(Content_Length=len(body))
    for start in range(0, len(body), 5000):
        h.put(body[start : start + 5000])
        time.sleep(0.1)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch):
    """Neither proxies nor folders of whoever runs the tests."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ATTNCOURSE_DATA", raising=False)
    monkeypatch.delenv("ATTNCOURSE_CACHE", raising=False)


@pytest.fixture
def store(tmp_path):
    return Store(cache=tmp_path / "cache", transfer=QUICK)


def get(store, *servers, file=FILE):
    urls = [s if isinstance(s, str) else s.url for s in servers]
    return store.fetch(file, folder="set", mirrors=urls, instead=[["set/thing"]])


def left_in(store):
    return sorted(p.name for p in store.cache.rglob("*") if not p.is_dir())


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/"


# --- downloads that end well ------------------------------------------------------------------


def test_download_then_cache(server, store):
    path = get(store, server)
    assert path == store.cache / "set" / "thing.bin"
    assert path.read_bytes() == BODY
    assert left_in(store) == ["thing.bin"]
    assert get(store, server) == path
    assert server.seen == [("/thing.bin", None)], "a good copy is not downloaded again"
    assert server.accepted == ["identity"], "nobody may pack it on the way"


@pytest.mark.parametrize(
    ("plan", "ranges"),
    [
        pytest.param(
            [breaks_after(20_000), breaks_after(5_000)],
            [None, "bytes=20000-", "bytes=25000-"],
            id="breaks twice",
        ),
        pytest.param([breaks_after(20_000), ignores_range], [None, "bytes=20000-"], id="no range"),
        pytest.param(
            [breaks_after(20_000), another_range],
            [None, "bytes=20000-", None],
            id="answers another range",
        ),
        pytest.param([breaks_after(20_000), status(416)], [None, "bytes=20000-", None], id="416"),
        pytest.param([status(503), status(429)], [None, None, None], id="busy"),
        pytest.param([without_length(9_000)], [None, "bytes=9000-"], id="truncated, no length"),
        pytest.param([called_gzip], [None], id="labelled as an encoding"),
        pytest.param([without_length(len(BODY))], [None], id="no length"),
    ],
)
def test_recovers_at_one_address(server, store, plan, ranges):
    server.plan = list(plan)
    assert get(store, server).read_bytes() == BODY
    assert [r for _, r in server.seen] == ranges
    assert left_in(store) == ["thing.bin"]


def test_a_stalled_transfer_is_taken_up_again(server, store):
    server.plan = [stalls_after(30_000)]
    assert get(hurried(store), server).read_bytes() == BODY
    assert [r for _, r in server.seen][:2] == [None, "bytes=30000-"]


def test_a_server_that_only_stalls(server, store):
    server.plan = [stalls_after(0)] * 9
    with pytest.raises(DataError, match=r"(?i)timed out, 2 times without progress"):
        get(hurried(store), server)
    assert left_in(store) == []


def hurried(store):
    return replace(store, transfer=replace(QUICK, read=1, retries=1))


def test_a_gz_arrives_as_it_is_served(server, store):
    packed = gzip.compress(BODY)
    server.body, server.plan = packed, [called_gzip]
    file = RemoteFile("thing.gz", len(packed), hashlib.sha256(packed).hexdigest())
    assert get(store, server, file=file).read_bytes() == packed


def test_attempts_that_bring_much_are_not_counted(server, store):
    server.plan = [breaks_after(6_000)] * 8
    patient = replace(store, transfer=replace(QUICK, retries=1, progress=5_000))
    assert get(patient, server).read_bytes() == BODY
    assert len(server.seen) == 9


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (status(404), "HTTP 404"),
        (status(403), "HTTP 403"),
        (login_page, "login page"),
        (corrupted, "SHA256"),
        (without_length(60_000), "more than"),
    ],
    ids=["404", "403", "login page", "corrupted", "too long"],
)
def test_next_mirror_at_once(server, store, first, reason):
    server.plan = [first]
    assert get(store, server.url + "a/", server.url + "b/").read_bytes() == BODY
    assert [p for p, _ in server.seen] == ["/a/thing.bin", "/b/thing.bin"]
    server.plan = [first]
    with pytest.raises(DataError, match=reason):
        get(replace(store, cache=store.cache / "other"), server)


def test_the_second_mirror_goes_on_where_the_first_gave_up(server, store):
    server.plan = [breaks_after(10_000), status(404)]
    assert get(store, server.url + "a/", server.url + "b/").read_bytes() == BODY
    assert server.seen[-1] == ("/b/thing.bin", "bytes=10000-")


def leave_part(store, content):
    folder = store.cache / "set" / "thing.bin.partial"
    folder.mkdir(parents=True)
    (folder / "thing.bin.part").write_bytes(content)


def test_a_part_that_does_not_fit_costs_one_more_attempt(server, store):
    leave_part(store, b"x" * 10_000)
    assert get(store, server).read_bytes() == BODY
    assert [r for _, r in server.seen] == ["bytes=10000-", None]
    assert left_in(store) == ["thing.bin"]


def test_a_part_that_does_not_fit_is_replaced_only_once(server, store):
    leave_part(store, b"x" * 10_000)
    server.plan = [good, corrupted]
    with pytest.raises(DataError, match="SHA256"):
        get(store, server)
    assert [r for _, r in server.seen] == ["bytes=10000-", None]
    assert left_in(store) == []


@pytest.mark.parametrize("content", [BODY, BODY + b"more"], ids=["whole", "too long"])
def test_a_part_of_full_length(server, store, content):
    leave_part(store, content)
    assert get(store, server).read_bytes() == BODY
    assert [r for _, r in server.seen] == ([] if content == BODY else [None])


# --- downloads that fail ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ([status(500)] * 9, "HTTP 500.*, 3 times"),
        ([breaks_after(2_000)] * 9, "3 times without progress"),
        ([without_length(100)] * 9, "the connection ended after 100 of 50000 bytes, 3 times"),
        ([corrupted] * 9, "expected sha256:" + FILE.sha256),
    ],
    ids=["500", "breaks", "truncated", "corrupted"],
)
def test_gives_up_and_leaves_nothing(server, store, plan, reason):
    server.plan = list(plan)
    with pytest.raises(DataError, match=reason) as caught:
        get(store, server)
    message = str(caught.value)
    assert "thing.bin" in message
    assert server.url in message
    assert "check the connection" in message.lower()
    assert "set ATTNCOURSE_DATA to a folder that holds set/thing" in message
    assert left_in(store) == []


def test_refused_is_reported_without_delay(store):
    slow = replace(store, transfer=replace(QUICK, pause=60))
    with pytest.raises(DataError, match="refused"):
        get(slow, closed_port())


def test_no_network(store, monkeypatch):
    def offline(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    with pytest.raises(DataError, match="Name or service not known") as caught:
        get(store, "http://one.invalid/", "http://two.invalid/")
    assert "one.invalid" in str(caught.value)
    assert "two.invalid" in str(caught.value)
    assert left_in(store) == []


def test_a_damaged_copy_is_replaced(server, store, caplog):
    path = store.cache / "set" / "thing.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert get(store, server).read_bytes() == BODY
    assert "is damaged" in caplog.text


def test_a_damaged_copy_that_cannot_be_replaced_is_named(server, store):
    path = store.cache / "set" / "thing.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    server.plan = [status(404)]
    with pytest.raises(DataError, match="is damaged") as caught:
        get(store, server)
    assert hashlib.sha256(b"damaged").hexdigest() in str(caught.value)
    assert FILE.sha256 in str(caught.value)
    assert path.read_bytes() == b"damaged"


def test_a_good_copy_needs_neither_network_nor_writing(store, monkeypatch):
    path = store.cache / "set" / "thing.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "read-only")

    monkeypatch.setattr(staging.os, "open", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert get(store, closed_port()) == path


def test_read_only_cache(server, store, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match="Permission denied") as caught:
        get(store, server)
    assert "ATTNCOURSE_CACHE" in str(caught.value)
    assert server.seen == []


def test_the_cache_is_a_file(server, tmp_path):
    (tmp_path / "taken").write_text("not a folder")
    with pytest.raises(DataError, match="ATTNCOURSE_CACHE") as caught:
        get(Store(cache=tmp_path / "taken", transfer=QUICK), server)
    assert str(tmp_path / "taken") in str(caught.value)


def test_a_folder_without_write_permission(server, store):
    store.cache.mkdir()
    store.cache.chmod(0o500)
    try:
        if os.access(store.cache, os.W_OK):
            pytest.skip("this account (root, or on Windows) may write to any folder")
        with pytest.raises(DataError, match="ATTNCOURSE_CACHE"):
            get(store, server)
    finally:
        store.cache.chmod(0o700)


def test_full_disk(server, store, monkeypatch):
    def full(path, mode):
        file = open(path, mode)  # noqa: SIM115  (the class below closes it)
        write = file.write

        class Full(io.BufferedIOBase):
            written = 0

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def seek(self, *place):
                return file.seek(*place)

            def write(self, data):
                self.written += len(data)
                if self.written > 20_000:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(data)

        return Full()

    monkeypatch.setattr(download, "open", full, raising=False)
    with pytest.raises(DataError, match=os.strerror(errno.ENOSPC)) as caught:
        get(store, server.url + "a/", server.url + "b/")
    assert "1 MB" in str(caught.value)
    assert len(server.seen) == 1, "another mirror does not make room on the disk"
    assert left_in(store) == []


# --- interrupted, killed, and at the same time ------------------------------------------------


def test_an_interrupt_keeps_the_part(server, store, monkeypatch):
    class Bar:
        n = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, count):
            self.n += count
            if self.n >= 10_000:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download, "progress_bar", lambda *_: Bar())
        with pytest.raises(KeyboardInterrupt):
            get(store, server)
    assert left_in(store) == ["thing.bin.part"]
    assert get(store, server).read_bytes() == BODY
    assert [r for _, r in server.seen] == [None, "bytes=10000-"]
    assert left_in(store) == ["thing.bin"]


PROCESS = """
import sys, json
from pathlib import Path
from attncourse.datasets.download import Transfer
from attncourse.datasets.registry import RemoteFile
from attncourse.datasets.store import Store
cache, url, file = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
store = Store(Path(cache), transfer=Transfer(read=20, patience=20, block=1000))
print("ready", flush=True)
sys.stdin.readline()
path = store.fetch(RemoteFile(**file), folder="set", mirrors=[url], instead=[["x"]])
print(path.read_bytes() == Path(sys.argv[4]).read_bytes())
"""


@contextmanager
def process(store, server, tmp_path):
    (tmp_path / "expected").write_bytes(BODY)
    file = json.dumps({f.name: getattr(FILE, f.name) for f in fields(FILE)})
    child = subprocess.Popen(
        [sys.executable, "-c", PROCESS, store.cache, server.url, file, tmp_path / "expected"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def wait_until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_killed_and_resumed(server, store, tmp_path):
    server.plan = [stalls_after(30_000)]
    part = store.cache / "set" / "thing.bin.partial" / "thing.bin.part"
    with process(store, server, tmp_path) as child:
        child.stdin.write("go\n")
        child.stdin.flush()
        # Blocks of 1,000 bytes; the last few may still be in Python's buffer of 8 KB.
        wait_until(lambda: part.exists() and part.stat().st_size >= 20_000)
        child.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        child.wait(PATIENCE)
    kept = part.stat().st_size
    assert get(store, server).read_bytes() == BODY
    assert server.seen[1:] == [("/thing.bin", f"bytes={kept}-")]
    assert left_in(store) == ["thing.bin"]


def test_two_processes_share_one_download(server, store, tmp_path):
    server.plan = [slowly]
    with process(store, server, tmp_path) as one, process(store, server, tmp_path) as two:
        assert [child.stdout.readline() for child in (one, two)] == ["ready\n", "ready\n"]
        for child in (one, two):
            child.stdin.write("go\n")
            child.stdin.flush()
        answers = [child.communicate(timeout=PATIENCE) for child in (one, two)]
    assert answers == [("True\n", "")] * 2, "and nothing is printed where nobody watches"
    assert len(server.seen) == 1
    assert left_in(store) == ["thing.bin"]


def test_many_threads_with_a_bad_server(server, store):
    server.plan = [breaks_after(3_000), corrupted, status(500), breaks_after(40_000)]
    results: list[object] = []

    def work():
        try:
            results.append(get(store, server.url + "a/", server.url + "b/").read_bytes() == BODY)
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 6
    assert left_in(store) == ["thing.bin"]


def test_a_holder_that_does_nothing_is_not_waited_for(server, store, caplog):
    impatient = replace(store, transfer=replace(QUICK, patience=0.1))
    with staging.staging(store.cache / "set" / "thing.bin", patience=1) as folder:
        (folder / "thing.bin.part").write_bytes(b"somebody else's")
        assert get(impatient, server).read_bytes() == BODY
        assert (folder / "thing.bin.part").read_bytes() == b"somebody else's"
        server.plan = [status(404)]
        (store.cache / "set" / "thing.bin").unlink()
        with pytest.raises(DataError):
            get(impatient, server)
        assert left_in(store) == ["thing.bin.lock", "thing.bin.part"]
    assert "does nothing" in caplog.text


def test_a_lock_on_a_removed_file_keeps_nobody_out(tmp_path, monkeypatch):
    """Between opening and locking, the former holder may finish and remove the file."""
    lock, taken = staging._lock, []

    def raced(handle):
        lock(handle)
        taken.append(handle)
        if len(taken) == 1:
            (tmp_path / "thing.lock").unlink()

    monkeypatch.setattr(staging, "_lock", raced)
    with staging.staging(tmp_path / "thing", patience=5):
        assert len(taken) == 2
        assert (tmp_path / "thing.lock").exists()


def test_a_file_system_without_locks(server, store, monkeypatch):
    def unsupported(handle):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(staging, "_lock", unsupported)
    server.plan = [breaks_after(20_000)]
    assert get(store, server).read_bytes() == BODY
    server.plan = [status(404)]
    with pytest.raises(DataError):
        get(store, server, file=replace(FILE, name="other.bin"))
    assert [n for n in left_in(store) if not n.endswith(".lock")] == ["thing.bin"]


# --- progress ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switch", "terminal", "shown"),
    [("", True, True), ("off", True, False), ("OFF", True, False), ("", False, False)],
)
def test_the_bar_shows_where_a_person_watches(monkeypatch, switch, terminal, shown):
    monkeypatch.setenv("ATTNCOURSE_PROGRESS", switch)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    with progress_bar("thing.bin", 100, 20) as bar:
        assert bar.disable is not shown
        bar.update(30)
    assert ("thing.bin" in stream.getvalue()) is shown


def test_the_bar_counts_what_is_there_and_follows_a_fresh_start(server, store, monkeypatch):
    bars = []

    def watched(*arguments):
        bars.append(progress_bar(*arguments))
        return bars[-1]

    monkeypatch.setattr(download, "progress_bar", watched)
    leave_part(store, BODY[:20_000])
    server.plan = [breaks_after(5_000), ignores_range]
    monkeypatch.setenv("ATTNCOURSE_PROGRESS", "")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    get(store, server)
    (bar,) = bars
    assert (bar.n, bar.total, bar.initial) == (len(BODY), len(BODY), 0)


# --- idx --------------------------------------------------------------------------------------


def as_idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def numbers(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 28, 28), (2, 1, 3, 2)])
def test_idx_round_trip(shape):
    array = parse_idx(as_idx(numbers(*shape)), "x")
    np.testing.assert_array_equal(array, numbers(*shape))
    assert array.dtype == np.uint8
    assert array.flags.writeable


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing"),
        (b"\x1f\x8b\x08\x00", "1f 8b 08 00"),
        (b"\0\0\x08", "begins with"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "type 0x0d"),
        (b"\0\0\x08\x00", "0 axes"),
        (b"\0\0\x08\x09" + bytes(36), "9 axes"),
        (b"\0\0\x08\x03\0\0\0\x02", "within its header"),
        (as_idx(numbers(4))[:-1], "asks for 12"),
        (as_idx(numbers(4)) + b"!", "13 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "asks for"),
    ],
)
def test_idx_says_what_is_wrong(content, reason):
    with pytest.raises(DataError, match=reason) as caught:
        parse_idx(content, "train-images")
    assert "train-images" in str(caught.value)
    assert "fetch a fresh copy" in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\0\0\x08" + tail))
def test_idx_never_stumbles(content):
    try:
        array = parse_idx(content, "x")
    except DataError:
        return
    assert as_idx(array) == content


CLASSES = ("no", "yes", "perhaps")
IDX = {
    "train-images-idx3-ubyte": as_idx(numbers(6, 4, 5)),
    "train-labels-idx1-ubyte": as_idx(np.array([0, 1, 2, 0, 1, 2], np.uint8)),
    "t10k-images-idx3-ubyte": as_idx(numbers(2, 4, 5)),
    "t10k-labels-idx1-ubyte": as_idx(np.array([2, 0], np.uint8)),
}
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in IDX.items()}


def idx_set(mirrors=(), contents=IDX):
    def entry(name, content):
        packed = gzip.compress(content, mtime=0)
        sums = [hashlib.sha256(data).hexdigest() for data in (packed, content)]
        return IdxFile(f"{name}.gz", len(packed), sums[0], len(content), sums[1])

    files = [entry(*item) for item in contents.items()]
    return IdxSet("Tiny", "Tiny/raw", tuple(mirrors), *files, classes=CLASSES)


def folder_of(root, files, below="Tiny/raw"):
    for name, content in files.items():
        path = root / below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def assert_tiny(data):
    np.testing.assert_array_equal(data.train_images, numbers(6, 4, 5))
    np.testing.assert_array_equal(data.test_images, numbers(2, 4, 5))
    assert data.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.test_labels.tolist() == [2, 0]
    assert (data.classes, data.source) == (CLASSES, "Tiny")
    for array, dtype in [
        (data.train_images, np.uint8),
        (data.train_labels, np.int64),
        (data.test_images, np.uint8),
        (data.test_labels, np.int64),
    ]:
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable


def snapshot(root):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "files",
    [
        IDX,
        PACKED,
        {name: gzip.compress(content, 1, mtime=99) for name, content in
         ((f"{n}.gz", c) for n, c in IDX.items())},
    ],
    ids=["unpacked", "packed", "packed anew"],
)  # fmt: skip
def test_local_idx_needs_no_network_and_writes_nothing(store, tmp_path, files):
    local = replace(store, data=folder_of(tmp_path / "data", files))
    before = snapshot(tmp_path)
    assert_tiny(load_idx(idx_set([closed_port()]), local))
    assert snapshot(tmp_path) == before


def test_idx_by_download(server, store):
    server.bodies = PACKED
    assert_tiny(load_idx(idx_set([server.url]), store))
    assert [p for p, _ in server.seen] == [f"/{name}" for name in PACKED]
    assert_tiny(load_idx(idx_set([closed_port()]), store))


def test_a_folder_that_lacks_a_file(server, store, tmp_path, caplog):
    files = {name: content for name, content in PACKED.items() if "t10k-labels" not in name}
    local = replace(store, data=folder_of(tmp_path / "data", files))
    server.bodies = PACKED
    with caplog.at_level(logging.WARNING):
        assert_tiny(load_idx(idx_set([server.url]), local))
    assert [p for p, _ in server.seen] == ["/t10k-labels-idx1-ubyte.gz"]
    assert "lacks Tiny/raw/t10k-labels-idx1-ubyte.gz, Tiny/raw/t10k-labels-idx1-ubyte." in (
        caplog.text
    )
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert_tiny(load_idx(idx_set([server.url]), local))
    assert "Using" in caplog.text, "even where the cache has the file"


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_lacks_everything(store, tmp_path, made):
    if made:
        (tmp_path / "data").mkdir()
    local = replace(store, data=tmp_path / "data")
    with pytest.raises(DataError, match="lacks Tiny" if made else "is not a folder") as caught:
        load_idx(idx_set([closed_port()]), local)
    assert f"ATTNCOURSE_DATA={tmp_path / 'data'}" in str(caught.value)
    assert "refused" in str(caught.value)


NAME = "train-images-idx3-ubyte"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({NAME: IDX[NAME][:-1] + b"\0"}, "sha256 of the unpacked content"),
        ({NAME: IDX[NAME][:-1]}, "expected"),
        ({NAME: IDX[NAME] + b"\0" * 1000}, "more bytes"),
        ({f"{NAME}.gz": PACKED[f"{NAME}.gz"][:40]}, "truncated or damaged"),
        ({f"{NAME}.gz": b"\x1f\x8b\x08\0\0\0\0\0\0\0" + b"\xff" * 50}, "truncated or damaged"),
        ({f"{NAME}.gz": b"<html>"}, "truncated or damaged"),
    ],
    ids=["changed", "short", "long", "truncated gz", "corrupt gz", "no gz"],
)
def test_damaged_local_idx(store, tmp_path, files, reason):
    others = {name: content for name, content in IDX.items() if name != NAME}
    local = replace(store, data=folder_of(tmp_path / "data", others | files))
    with pytest.raises(DataError, match=reason) as caught:
        load_idx(idx_set([closed_port()]), local)
    assert str(tmp_path / "data" / "Tiny" / "raw" / next(iter(files))) in str(caught.value)
    assert "unset ATTNCOURSE_DATA" in str(caught.value)


def test_a_gzip_bomb_is_not_unpacked(store, tmp_path):
    files = IDX | {f"{NAME}.gz": gzip.compress(bytes(20_000_000))}
    del files[NAME]
    local = replace(store, data=folder_of(tmp_path / "data", files))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more bytes"):
            load_idx(idx_set(), local)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_local_file_that_cannot_be_read(store, tmp_path, monkeypatch):
    local = replace(store, data=folder_of(tmp_path / "data", PACKED))

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(gzip, "open", refuse)
    with pytest.raises(DataError, match=r"cannot be read .*Permission denied"):
        load_idx(idx_set(), local)


def test_a_cached_file_with_wrong_content(server, store):
    """The sha256 of the archive fits and that of the content does not: the registry is wrong."""
    server.bodies = PACKED
    wrong = idx_set([server.url])
    wrong = replace(wrong, train_images=replace(wrong.train_images, content_sha256="0" * 64))
    with pytest.raises(DataError, match="move it away and call again"):
        load_idx(wrong, store)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({NAME: as_idx(numbers(5, 4, 5))}, "5 images but 6 labels"),
        ({NAME: as_idx(numbers(6, 4, 4))}, "have the shape"),
        ({"t10k-labels-idx1-ubyte": as_idx(np.array([2, 3], np.uint8))}, "the label 3"),
        ({NAME: as_idx(numbers(6, 20))}, "2 axes, not 3"),
    ],
)
def test_files_that_do_not_fit_each_other(store, tmp_path, change, reason):
    contents = IDX | change
    local = replace(store, data=folder_of(tmp_path / "data", contents))
    with pytest.raises(DataError, match=reason):
        load_idx(idx_set(contents=contents), local)


def test_negative_labels_have_no_class():
    split = Split(numbers(1, 2, 2), np.array([-1]), "x")
    with pytest.raises(DataError, match="the label -1"):
        assemble(split, split, classes=CLASSES, source="x")


# --- CIFAR-10 ---------------------------------------------------------------------------------

ROWS = 3
BATCHES = ("data_batch_1", "data_batch_2", "test_batch")


def cifar_images(batch):
    rows = np.random.default_rng(BATCHES.index(batch))
    return rows.integers(0, 256, (ROWS, 32, 32, 3), dtype=np.uint8)


def cifar_labels(batch):
    return [(BATCHES.index(batch) + row) % len(CLASSES) for row in range(ROWS)]


def planes(batch):
    return cifar_images(batch).transpose(0, 3, 1, 2).reshape(ROWS, 3072)


def binary_batch(batch):
    labels = np.array(cifar_labels(batch), np.uint8)[:, None]
    return np.concatenate([labels, planes(batch)], axis=1).tobytes()


def python_batch(batch, *, dtype=b"u1", fortran=False, rows=ROWS, call=b"numpy\nndarray"):
    """A batch as Python 2 pickled it, opcode by opcode: Python 3 would write another dialect."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def number(value):
        return b"J" + struct.pack("<i", value)

    array = b"cnumpy.core.multiarray\n_reconstruct\n(c" + call + b"\n(K\0t" + text(b"b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(dtype) + b"K\0K\1tR(K\3" + text(b"|") + b"NNN"
    kind += number(-1) + number(-1) + b"K\0tb"
    raw = planes(batch).tobytes("F" if fortran else "C")
    state = b"(K\1(" + number(rows) + number(3072) + b"t" + kind
    state += (b"\x88" if fortran else b"\x89") + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    labels = b"](" + b"".join(map(number, cifar_labels(batch))) + b"e"
    return b"\x80\x02}(" + text(b"labels") + labels + text(b"data") + array + state + b"u."


def archive_of(members):
    """A .tar.gz of (header, content) pairs, or of (name, content) pairs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for head, content in members:
            info = tarfile.TarInfo(head) if isinstance(head, str) else head
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


BINARY = {f"cifar-10-batches-bin/{batch}.bin": binary_batch(batch) for batch in BATCHES}
PYTHON = {f"cifar-10-batches-py/{batch}": python_batch(batch) for batch in BATCHES}
ARCHIVE = archive_of(
    [
        ("cifar-10-batches-bin/readme.html", b"read me"),
        *reversed(BINARY.items()),
        ("../cifar-10-batches-bin/data_batch_1.bin", b"somewhere else"),
    ]
)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def cifar_set(mirrors=(), archive=ARCHIVE, binary=BINARY, python=PYTHON):
    *train, test = (
        CifarBatch(
            batch,
            sha256(binary[f"cifar-10-batches-bin/{batch}.bin"]),
            sha256(python[f"cifar-10-batches-py/{batch}"]),
        )
        for batch in BATCHES
    )
    file = RemoteFile("cifar-10-binary.tar.gz", len(archive), sha256(archive))
    return CifarSet("Tiny", "Tiny", tuple(mirrors), file, tuple(train), test, ROWS, CLASSES)


def encoded(image, form="JPEG", **options):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, **options)
    return stream.getvalue()


def jpeg_batch(batch="test_batch", images=None, **changed):
    images = images or [encoded(image, quality=95) for image in cifar_images(batch)]
    arrays = {
        "jpeg": np.frombuffer(b"".join(images), np.uint8),
        "offsets": np.cumsum([0, *map(len, images)]),
        "labels": np.array(cifar_labels(batch), np.uint8),
    }
    stream = io.BytesIO()
    np.savez(stream, **{k: v for k, v in (arrays | changed).items() if v is not None})
    return stream.getvalue()


def jpeg_copy():
    return {f"cifar10_jpeg/{batch}_jpeg.npz": jpeg_batch(batch) for batch in BATCHES}


def assert_tiny_cifar(data, source="Tiny", exact=True):
    for images, labels, batches in [
        (data.train_images, data.train_labels, BATCHES[:2]),
        (data.test_images, data.test_labels, BATCHES[2:]),
    ]:
        expected = np.concatenate([cifar_images(batch) for batch in batches])
        assert images.shape == expected.shape
        assert images.dtype == np.uint8
        assert images.flags.c_contiguous
        assert images.flags.writeable
        if exact:
            np.testing.assert_array_equal(images, expected)
        assert labels.tolist() == [label for batch in batches for label in cifar_labels(batch)]
        assert labels.dtype == np.int64
    assert (data.classes, data.source) == (CLASSES, source)


@pytest.mark.parametrize(
    "files",
    [BINARY, {"cifar-10-binary.tar.gz": ARCHIVE}, PYTHON],
    ids=["binary", "archive", "python"],
)
def test_local_cifar_needs_no_network_and_writes_nothing(store, tmp_path, files):
    local = replace(store, data=folder_of(tmp_path / "data", files, "."))
    before = snapshot(tmp_path)
    assert_tiny_cifar(load_cifar(cifar_set([closed_port()]), local))
    assert snapshot(tmp_path) == before


def test_the_jpeg_copy_says_that_it_is_one(store, tmp_path):
    smooth = np.tile(np.linspace(0, 255, 32, dtype=np.uint8)[:, None, None], (1, 32, 3))
    files = {
        name: jpeg_batch(batch, [encoded(smooth, quality=95)] * ROWS)
        for name, batch in zip(jpeg_copy(), BATCHES, strict=True)
    }
    local = replace(store, data=folder_of(tmp_path / "data", files, "."))
    data = load_cifar(cifar_set([closed_port()]), local)
    assert_tiny_cifar(data, "Tiny, JPEG copy", exact=False)
    assert np.abs(data.test_images.astype(int) - smooth).max() <= 4, "rows are rows"


def test_exact_images_are_preferred_to_the_jpeg_copy(store, tmp_path):
    local = replace(store, data=folder_of(tmp_path / "data", PYTHON | jpeg_copy(), "."))
    assert load_cifar(cifar_set(), local).source == "Tiny"


def test_cifar_by_download(server, store, tmp_path, caplog):
    server.body = ARCHIVE
    incomplete = dict(list(BINARY.items())[:2])
    local = replace(store, data=folder_of(tmp_path / "data", incomplete, "."))
    assert_tiny_cifar(load_cifar(cifar_set([server.url]), local))
    assert "lacks cifar-10-batches-bin/test_batch.bin, cifar-10-binary.tar.gz" in caplog.text
    assert_tiny_cifar(load_cifar(cifar_set([closed_port()]), store))
    assert left_in(store) == ["cifar-10-binary.tar.gz"]
    assert not list(tmp_path.rglob("readme.html")), "nothing is unpacked to the disk"


def test_cifar_without_network_says_what_would_do(store):
    with pytest.raises(DataError, match=r"or cifar-10-binary\.tar\.gz or") as caught:
        load_cifar(cifar_set([closed_port()]), store)
    assert "cifar-10-batches-bin/ or" in str(caught.value)


@pytest.mark.parametrize("files", [BINARY, {"cifar-10-binary.tar.gz": ARCHIVE}, PYTHON])
def test_changed_local_cifar(store, tmp_path, files):
    name = next(iter(files))
    changed = files | {name: files[name][:-1] + b"?"}
    local = replace(store, data=folder_of(tmp_path / "data", changed, "."))
    with pytest.raises(DataError, match=r"does not hold what was published.*expected") as caught:
        load_cifar(cifar_set(), local)
    assert str(tmp_path / "data" / name) in str(caught.value)


@pytest.mark.parametrize("files", [BINARY, {"cifar-10-binary.tar.gz": ARCHIVE}])
def test_local_cifar_that_cannot_be_read(store, tmp_path, files, monkeypatch):
    local = replace(store, data=folder_of(tmp_path / "data", files, "."))

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"cannot be read .*Permission denied"):
        load_cifar(cifar_set(), local)


def linked(name, kind, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


FIRST = "cifar-10-batches-bin/data_batch_1.bin"
REST = [(name, content) for name, content in BINARY.items() if name != FIRST]


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (archive_of(REST), f"lacks {FIRST}"),
        (archive_of([("/" + FIRST, BINARY[FIRST]), *REST]), f"lacks {FIRST}"),
        (archive_of([("./../" + FIRST, BINARY[FIRST]), *REST]), f"lacks {FIRST}"),
        (archive_of([linked(FIRST, tarfile.SYMTYPE, "/etc/passwd"), *REST]), "no regular file"),
        (archive_of([*REST, linked(FIRST, tarfile.LNKTYPE, REST[0][0])]), "no regular file"),
        (archive_of([linked(FIRST, tarfile.FIFOTYPE, ""), *REST]), "no regular file"),
        (archive_of([(FIRST, BINARY[FIRST][:-1]), *REST]), "9218 bytes, not 9219"),
        (archive_of([(FIRST, BINARY[FIRST] + b"!"), *REST]), "9220 bytes, not 9219"),
        (archive_of([*BINARY.items(), REST[0]]), "there twice"),
        (archive_of([("zeros", bytes(30_000_000)), *BINARY.items()]), "unpacks to more"),
        (ARCHIVE[: len(ARCHIVE) // 2], "truncated or damaged"),
        (gzip.compress(gzip.decompress(ARCHIVE)[:12_000]), "truncated or damaged"),
        (gzip.compress(b"no archive" * 100), "truncated or damaged"),
        (b"not even gzip", "truncated or damaged"),
    ],
    ids=[
        "missing", "absolute", "traversal", "symlink", "hard link", "fifo", "short", "long",
        "twice", "bomb", "truncated gz", "truncated tar", "no tar", "no gz",
    ],
)  # fmt: skip
def test_hostile_archives(store, tmp_path, archive, reason):
    """Even with the right sha256, an archive gives nothing but the records that are expected."""
    files = {"cifar-10-binary.tar.gz": archive}
    local = replace(store, data=folder_of(tmp_path / "data", files, "."))
    with pytest.raises(DataError, match=reason) as caught:
        load_cifar(cifar_set(archive=archive), local)
    assert "cifar-10-binary.tar.gz" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cos\nsystem\n(S'exit 1'\ntR.", "it asks for os.system"),
        (b"cbuiltins\neval\n(S'1/0'\ntR.", "it asks for builtins.eval"),
        (python_batch("data_batch_1", call=b"numpy\nload"), "it asks for numpy.load"),
        (python_batch("data_batch_1", dtype=b"O8"), "type b'O8'"),
        (python_batch("data_batch_1", rows=ROWS + 1), r"shape \(4, 3072\)"),
        (python_batch("data_batch_1")[:-20], "Error"),
        (b"\x80\x02}.", "KeyError"),
        (b"", "EOFError"),
    ],
)
def test_hostile_pickles(store, tmp_path, content, reason):
    """Even with the right sha256, nothing in a pickle is run."""
    python = PYTHON | {"cifar-10-batches-py/data_batch_1": content}
    local = replace(store, data=folder_of(tmp_path / "data", python, "."))
    with pytest.raises(DataError, match=reason) as caught:
        load_cifar(cifar_set(python=python), local)
    assert "data_batch_1" in str(caught.value)


def test_pickled_arrays_in_column_order(store, tmp_path):
    python = {f"cifar-10-batches-py/{b}": python_batch(b, fortran=True) for b in BATCHES}
    local = replace(store, data=folder_of(tmp_path / "data", python, "."))
    assert_tiny_cifar(load_cifar(cifar_set(python=python), local))


def test_binary_batches_of_another_length(store, tmp_path):
    binary = BINARY | {FIRST: BINARY[FIRST][:3073]}
    local = replace(store, data=folder_of(tmp_path / "data", binary, "."))
    with pytest.raises(DataError, match="3073 bytes, not the 9219 of 3 records"):
        load_cifar(cifar_set(binary=binary), local)


GREY = encoded(numbers(32, 32))
WIDE = encoded(numbers(32, 40, 3))
PNG = encoded(numbers(32, 32, 3), "PNG")
FINE = encoded(numbers(32, 32, 3))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not a zip", "BadZipFile"),
        (jpeg_batch()[:-100], "BadZipFile"),
        (jpeg_batch(labels=None), "labels is not a file|KeyError"),
        (jpeg_batch(labels=np.array([object()] * 3)), "allow_pickle"),
        (jpeg_batch(labels=np.zeros(4, np.uint8)), "labels are uint8 of shape"),
        (jpeg_batch(offsets=np.array([0, 5, 7, 9])), "offsets do not run"),
        (
            jpeg_batch(images=[FINE] * 3, offsets=np.array([0, 2, 1, 3]) * len(FINE)),
            "offsets do not run",
        ),
        (jpeg_batch(offsets=np.array([0, 1, 2])), "offsets are int64 of shape"),
        (jpeg_batch(jpeg=np.zeros((3, 3), np.uint8)), "jpeg is uint8 with 2 axes"),
        (jpeg_batch(extra=np.zeros(10_000_000, np.uint8)), "unpacks to more"),
        (jpeg_batch(images=[FINE, GREY, FINE]), "image 1 is no 32 x 32 RGB JPEG.*, L"),
        (jpeg_batch(images=[WIDE, FINE, FINE]), "image 0 .*40 x 32"),
        (jpeg_batch(images=[FINE, FINE, PNG]), "image 2 "),
        (jpeg_batch(images=[FINE, FINE, FINE[:300]]), "image 2 "),
        (jpeg_batch(images=[FINE, b"", FINE]), "image 1 "),
    ],
)
def test_damaged_jpeg_copies(store, tmp_path, content, reason):
    files = jpeg_copy() | {"cifar10_jpeg/test_batch_jpeg.npz": content}
    local = replace(store, data=folder_of(tmp_path / "data", files, "."))
    with pytest.raises(DataError, match=reason) as caught:
        load_cifar(cifar_set(), local)
    assert "test_batch_jpeg.npz" in str(caught.value)
    assert "unset ATTNCOURSE_DATA" in str(caught.value)


# --- what users call --------------------------------------------------------------------------


def test_the_environment_names_the_places(tmp_path, monkeypatch):
    assert Store.from_environment().data is None
    assert Store.from_environment().cache.name == "attncourse"
    monkeypatch.setenv("ATTNCOURSE_DATA", "~/data")
    monkeypatch.setenv("ATTNCOURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    assert Store.from_environment() == Store(cache=tmp_path, data=tmp_path / "me" / "data")
    monkeypatch.setenv("ATTNCOURSE_DATA", "")
    assert Store.from_environment().data is None


@pytest.mark.parametrize(
    ("load", "name"),
    [
        (datasets.mnist, "MNIST/raw/train-images-idx3-ubyte.gz"),
        (datasets.fashion_mnist, "FashionMNIST/raw/train-images-idx3-ubyte"),
        (datasets.cifar10, "cifar-10-binary.tar.gz"),
    ],
)
def test_public_functions_judge_by_the_published_sums(tmp_path, monkeypatch, load, name):
    monkeypatch.setenv(
        "ATTNCOURSE_DATA", str(folder_of(tmp_path, {name: gzip.compress(b"x")}, "."))
    )
    monkeypatch.setenv("ATTNCOURSE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="does not hold what was published"):
        load()


def test_data_error_is_a_runtime_error():
    assert issubclass(DataError, RuntimeError)
    assert set(datasets.__all__) == {
        "DataError", "ImageData", "SegmentationData", "SkeletonData", "camvid", "cifar10",
        "fashion_mnist", "mnist", "msr_action3d", "utkinect",
    }  # fmt: skip


def test_registry_is_well_formed():
    sums = [s for which in (MNIST, FASHION_MNIST) for f in idx_files(which)
            for s in (f.sha256, f.content_sha256)]  # fmt: skip
    sums += [s for b in (*CIFAR10.train, CIFAR10.test) for s in (b.binary_sha256, b.python_sha256)]
    sums.append(CIFAR10.archive.sha256)
    assert all(len(s) == 64 and set(s) <= set("0123456789abcdef") for s in sums)
    assert len(set(sums)) == len(sums) == 29
    for which in (MNIST, FASHION_MNIST, CIFAR10):
        assert len(which.classes) == 10
        assert len(which.mirrors) >= 2
        assert all(m.startswith("http") and m.endswith("/") for m in which.mirrors)
    for which in (MNIST, FASHION_MNIST):
        assert [f.content_size for f in idx_files(which)] == [
            16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000,
        ]  # fmt: skip


def idx_files(which):
    return which.train_images, which.train_labels, which.test_images, which.test_labels


# --- the real data, where they are ------------------------------------------------------------


def real_data():
    named = os.environ.get("ATTNCOURSE_TEST_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def real(monkeypatch, tmp_path):
    def folder(name):
        root = real_data()
        if not (root / name).exists():
            pytest.skip(f"{root} holds no {name}: set ATTNCOURSE_TEST_DATA to a folder that does")
        monkeypatch.setenv("ATTNCOURSE_DATA", str(root))
        monkeypatch.setenv("ATTNCOURSE_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(socket, "getaddrinfo", None)  # any look-up would raise
        return root

    return folder


def test_real_mnist(real):
    real("MNIST/raw")
    data = datasets.mnist()
    assert data.train_images.shape == (60_000, 28, 28)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert [Counter(data.test_labels.tolist())[digit] for digit in range(10)] == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert data.train_images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert data.train_images.std() / 255 == pytest.approx(0.3081, abs=1e-4)
    assert data.source == "MNIST"


def test_real_fashion_mnist(real):
    root = real("FashionMNIST/raw")
    for file in idx_files(FASHION_MNIST):
        content = (root / FASHION_MNIST.folder / file.name).read_bytes()
        assert (len(content), sha256(content)) == (file.size, file.sha256)
    data = datasets.fashion_mnist()
    assert data.test_images.shape == (10_000, 28, 28)
    assert set(Counter(data.train_labels.tolist()).values()) == {6_000}
    assert data.train_images.mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert data.train_images.std() / 255 == pytest.approx(0.3530, abs=1e-4)
    assert data.source == "Fashion-MNIST"


def test_real_jpeg_copy_of_cifar10(real):
    real("cifar10_jpeg")
    data = datasets.cifar10()
    assert data.train_images.shape == (50_000, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    assert set(Counter(data.train_labels.tolist()).values()) == {5_000}
    assert set(Counter(data.test_labels.tolist()).values()) == {1_000}
    first = [data.classes[label] for label in data.train_labels[:4]]
    assert first == ["frog", "truck", "truck", "deer"]
    mean = data.train_images.mean((0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.4913, 0.4821, 0.4465], atol=1e-3)
    assert data.source == "CIFAR-10, JPEG copy"
