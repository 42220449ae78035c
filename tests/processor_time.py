"""A pytest plugin: how much processor time each test takes, by room and by chapter.

    python -m pytest -p tests.processor_time --processor-time=build/time.json tests

Processor time counts this process and all its descendants, such as browsers and kernels; unlike
the clock on the wall, it hardly depends on what else the machine is doing.  What still depends on
the machine is its speed: ``yardstick()`` is a fixed piece of work, timed in the same run, and
budgets are stated for a machine that does it in ``REFERENCE`` seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path

import psutil
import pytest

#: Seconds that :func:`yardstick` takes on the machine for which the budgets are stated.
REFERENCE = 0.65
#: Seconds by the clock after which the yardstick is taken again: what else a machine does changes.
AGAIN = 120


def yardstick() -> float:
    """Processor seconds of a fixed piece of work like a chapter's: small products and Python."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.ones(64, 32, 16, 16)
    weight = torch.full((32, 32, 3, 3), 1e-3, requires_grad=True)
    started = time.process_time()
    for _ in range(80):
        torch.nn.functional.conv2d(x, weight, padding=1).relu().sum().backward()
    total = 0
    for number in range(8_000_000):
        total += number & 7
    taken = time.process_time() - started
    torch.set_num_threads(threads)
    return taken


def used() -> float:
    """Processor seconds of this process and of its descendants, ended ones included."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def spread(found: dict[str, float], shares: dict[str, float]) -> None:
    """Give each test its part of what one test of its file paid for all: the costliest one.

    A test names its part by ``record_property("share", seconds)``.  What no part accounts for,
    such as the start of a process, belongs to none of them: it stands under ``file::start``.
    """
    for file in {node.split("::")[0] for node, share in shares.items() if share}:
        tests = [node for node in found if node.startswith(f"{file}::")]
        payer = max(tests, key=lambda node: found[node])
        rest = found[payer] - sum(shares.get(node, 0.0) for node in tests)
        found[payer], found[f"{file}::start"] = 0.0, max(0.0, rest)
        for node in tests:
            found[node] += shares.get(node, 0.0)


class Clock:
    """Notes each test's processor time in its report, and adds the reports up."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: dict[str, float] = defaultdict(float)
        #: What each test's part of something took that is made once for all tests of its file.
        self.shares: dict[str, float] = {}
        #: What fixtures of the whole session took since the last test, by name.
        self.fixtures: dict[str, float] = {}
        self.slowness: list[float] = []
        self.measured = time.monotonic()
        self.before = 0.0
        #: What it took until the first test, in all processes, beside the search in files.
        self.started = 0.0
        #: What importing each file with tests and finding them took, in all processes.
        self.collected: dict[str, float] = defaultdict(float)
        # Under xdist the workers do the work, all at once, and the main process adds up.
        self.works = hasattr(config, "workerinput") or not config.getoption("numprocesses", 0)

    def pytest_sessionstart(self):
        before = used()
        self.measure()
        self.before = used() - before  # that of the yardstick; the rest is the start's

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector):
        """A file's tests are found at its own cost, not at that of the course."""
        if not isinstance(collector, pytest.File):
            return (yield)
        before = time.process_time()
        try:
            return (yield)
        finally:
            self.collected[collector.nodeid] += time.process_time() - before

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self):
        """What all files import belongs to no test, not to the first one either."""
        now = used()
        self.started = now - self.before - sum(self.collected.values())
        self.before = now

    def measure(self) -> None:
        if self.works:
            self.slowness.append(yardstick() / REFERENCE)
            self.measured = time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        """What is set up once for all tests does not belong to the one that comes first."""
        if fixturedef.scope != "session":
            return (yield)
        before = used()
        try:
            return (yield)
        finally:
            taken = used() - before
            self.fixtures[fixturedef.argname] = taken
            self.before += taken

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        if call.when == "teardown":
            now = used()
            item.user_properties.append(("processor_seconds", max(0.0, now - self.before)))
            item.user_properties.append(("session_fixtures", self.fixtures))
            self.fixtures = {}
            if time.monotonic() - self.measured > AGAIN:
                self.measure()
                now = used()
            self.before = now

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            properties = dict(report.user_properties)
            self.found[report.nodeid] += properties.get("processor_seconds", 0.0)
            self.shares[report.nodeid] = properties.get("share", 0.0)
            file = report.nodeid.split("::")[0]
            for name, seconds in properties.get("session_fixtures", {}).items():
                self.found[f"{file}::{name}"] += seconds

    def pytest_sessionfinish(self, session):
        self.measure()
        if hasattr(self.config, "workerinput"):
            self.config.workeroutput |= {
                "slowness": self.slowness,
                "started": self.started,
                "collected": dict(self.collected),
            }
            return
        spread(self.found, self.shares)
        self.found["tests::start"] = self.started
        for file, seconds in self.collected.items():
            self.found[f"{file}::collection"] += seconds
        target = Path(self.config.getoption("--processor-time"))
        target.parent.mkdir(parents=True, exist_ok=True)
        stored = {"tests": self.found, "slowness": self.slowness}
        target.write_text(json.dumps(stored, indent=0), encoding="utf-8")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        output = getattr(node, "workeroutput", {})
        self.slowness += output.get("slowness", [])
        self.started += output.get("started", 0.0)
        for file, seconds in output.get("collected", {}).items():
            self.collected[file] += seconds


def pytest_addoption(parser):
    parser.addoption("--processor-time", help="write each test's processor seconds to this file")


def pytest_configure(config):
    if config.getoption("--processor-time"):
        config.pluginmanager.register(Clock(config))
