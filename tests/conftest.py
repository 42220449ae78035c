"""Shape annotations are enforced in the tests, and the mutants' kill matrix is printed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from tests.untraced import repeats, untraced

# Before anything imports the package: every shape in a mechanism's signature is checked here,
# and never at users' run time.
install_import_hook(
    [
        "attncourse.attention", "attncourse.channel", "attncourse.spatial", "attncourse.temporal",
        "attncourse.branch", "attncourse.channel_spatial", "attncourse.spatial_temporal",
    ],
    "beartype.beartype",
)  # fmt: skip

os.environ.setdefault("ATTNCOURSE_PROGRESS", "off")

#: Seconds after which something hangs: a guard, never a measure, on however slow a machine.
PATIENCE = 600

ROOT = Path(__file__).resolve().parent.parent
KILLS = ROOT / "build" / "kills"


@pytest.fixture
def repository():
    """The root of the working tree."""
    return ROOT


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path, monkeypatch):
    """No test touches the learner's real progress or caches."""
    monkeypatch.setenv("ATTNCOURSE_HOME", str(tmp_path / "home"))


#: Files whose tests share something that is made once for all of them.
_SHARED = (
    "tests/closing/test_cost.py", "test_compile_and_export.py", "test_epub.py", "test_jobs.py",
    "test_parallel.py", "test_setup_cell.py",
)  # fmt: skip
_CHAPTER = re.compile(r"\[(?:[^\]]*?-)?(?:book/)?([a-z_]+/[a-z_]+)")


def together(nodeid: str) -> str:
    """What a test shares a process with: a page, a file, or nothing but itself."""
    file = nodeid.split("::")[0]
    if file.endswith(_SHARED):
        return file
    if file.startswith("tests/book/"):
        page = _CHAPTER.search(nodeid)
        return page[1] if page else file
    return nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep together what is made once.  The marks that xdist offers for this do not reach the
    main process with pytest 9.2, which no longer reads the attribute that xdist 3.8 writes."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Together(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if not repeats(item.path, ROOT):
        return (yield)
    with untraced():
        return (yield)


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        for old in KILLS.glob("*.json"):
            old.unlink()


def pytest_terminal_summary(terminalreporter):
    reports = sorted(KILLS.glob("*.json"))
    if not reports:
        return
    terminalreporter.section("mutants and the checks that kill them")
    for path in reports:
        report = json.loads(path.read_text(encoding="utf-8"))
        terminalreporter.write_line(f"{report['chapter']}: {len(report['kills'])} mutants")
        for name, killers in report["kills"].items():
            verdict = ", ".join(killers) if killers else "SURVIVES"
            terminalreporter.write_line(f"  {name:34} {len(killers):2}  {verdict}")
