"""Shape annotations are enforced in the tests, and the mutants' kill matrix is printed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Tests that share a module's fixture run in one process, so that it is made once."""
    for item in items:
        made = item._fixtureinfo.name2fixturedefs.values()
        if any(definitions[-1].scope == "module" for definitions in made):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


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
