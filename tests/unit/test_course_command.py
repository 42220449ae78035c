"""``tools/course.py``: what make calls, on every system."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import course
import notebook
import pytest
import run_notebooks
import takeaway
import time_table

from tests import processor_time


@pytest.fixture
def calls(monkeypatch):
    """Every command that would run, and no environment that would be made."""
    made = []
    monkeypatch.setattr(
        course, "environment", lambda purpose: made.append(("environment", purpose))
    )
    monkeypatch.setattr(course, "call", lambda *a, env=None: made.append([str(x) for x in a]) or 0)
    monkeypatch.setattr(course, "book", lambda always=False: made.append(("book", always)) or 0)
    return made


def commands(made):
    return [" ".join(c) for c in made if isinstance(c, list)]


def test_test_runs_every_kind_of_check(calls, capsys):
    assert course.main(["test"]) == 0
    text = "\n".join(commands(calls))
    for word in ("ruff check", "ruff format --check", "mypy", "lint_imports", "--cov-fail-under=90",
                 "run_notebooks.py"):  # fmt: skip
        assert word in text
    assert ("environment", "all") in calls
    assert ("book", True) in calls, "the pages are tested on a fresh build"
    assert "Where the time went" in capsys.readouterr().out


def test_one_chapter_is_tested_in_all_its_wings(calls):
    assert course.main(["test", "channel/squeeze_excitation"]) == 0
    text = "\n".join(commands(calls))
    assert "test_squeeze_excitation.py" in text
    assert "-k squeeze_excitation tests/contract tests/exercises tests/book" in text
    assert "run_notebooks.py channel/squeeze_excitation" in text


def test_the_own_tests_of_a_chapter_may_stand_in_several_files(calls):
    assert course.main(["test", "spatial/recurrent_attention"]) == 0
    (own,) = [c for c in commands(calls) if "tests/contract" not in c and "pytest" in c]
    for part in ("", "_parts", "_rivals"):
        assert f"test_recurrent_attention{part}.py" in own


def test_a_failure_is_reported_and_does_not_stop_the_rest(calls, monkeypatch, capsys):
    def failing(*arguments, env=None):
        calls.append([str(a) for a in arguments])
        return 1 if "mypy" in calls[-1] else 0

    monkeypatch.setattr(course, "call", failing)
    assert course.main(["test"]) == 1
    assert any("run_notebooks" in c for c in commands(calls))
    out = capsys.readouterr().out
    assert [line.split()[-1] for line in out.splitlines() if line.strip().startswith("mypy")] == [
        "FAILED"
    ]


@pytest.mark.parametrize("command", ["test", "execute", "print", "bench"])
def test_an_unknown_chapter_is_refused(command, calls):
    with pytest.raises(SystemExit, match="there is no chapter 'channel/nothing': name one such as"):
        course.main([command, "channel/nothing"])
    assert calls == [], "nothing is made for a chapter that is not there"


@pytest.mark.parametrize("command", ["test", "execute", "print", "bench"])
def test_a_chapter_may_be_named_by_its_file(command, calls):
    assert course.main([command, "book/channel/gater.ipynb"]) == 0
    assert "channel/gater" in commands(calls)[-1].split()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (notebook, ["execute", "channel/nothing"]),
        (notebook, ["text", "channel/gater", "channel/nothing"]),
        (run_notebooks, ["channel/nothing"]),
        (takeaway, ["print", "channel/nothing"]),
    ],
)
def test_every_tool_refuses_an_unknown_chapter_with_a_sentence(tool, arguments):
    with pytest.raises(SystemExit, match="there is no chapter 'channel/nothing': name one such as"):
        tool.main(arguments)


def test_the_book_needs_no_torch():
    wanted = " ".join(course.requirements(("book",)))
    assert "jupyter-book" in wanted
    assert "torch" not in wanted


def test_the_inputs_of_the_book_decide_whether_it_is_built_again(monkeypatch, tmp_path):
    before = course._book_inputs()
    assert course._book_inputs() == before
    (tmp_path / "book").mkdir()
    for name in ("_config.yml", "_toc.yml", "constraints.txt", "book/intro.md"):
        (tmp_path / name).write_text("one")
    (tmp_path / "attncourse").mkdir()
    (tmp_path / "attncourse/plan.toml").write_text("one")
    monkeypatch.setattr(course, "ROOT", tmp_path)
    one = course._book_inputs()
    (tmp_path / "book/intro.md").write_text("two")
    assert course._book_inputs() != one


def test_an_old_python_is_told_so(repository):
    """The message comes before anything that an old Python does not understand."""
    code = (repository / "tools/course.py").read_text(encoding="utf-8")
    before = code.split("import tomllib")[0]
    program = before.replace("if sys.version_info < (3, 11):", "if True:")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_clean_removes_what_was_made_and_nothing_else(monkeypatch, tmp_path):
    for name in (".venv", "_build", "build", "book"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(course, "BUILD", tmp_path / "_build")
    assert course.main(["clean"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["book"]


@pytest.mark.parametrize(
    ("seconds", "slowness", "status", "words"),
    [
        (90, 1.0, 0, "90.0"),
        (110, 1.0, 1, "over budget"),
        (110, 1.5, 0, "at most 150"),
        (None, 1.0, 1, "not executed: channel/squeeze"),
    ],
)
def test_each_notebook_is_timed_and_none_is_left_out(
    monkeypatch, capsys, tmp_path, seconds, slowness, status, words
):
    """A slow machine has longer: what is held is the ratio to work done in the same run."""

    def call(*arguments, env=None):
        option = next(str(a) for a in arguments if str(a).startswith("--processor-time="))
        cells = {f"book/channel/squeeze_excitation.ipynb::Cell {n}": seconds / 2 for n in (0, 1)} \
            if seconds else {}  # fmt: skip
        record = Path(option.removeprefix("--processor-time="))
        record.write_text(json.dumps({"tests": cells, "slowness": [slowness]}))
        assert str(arguments[-1]).endswith("squeeze_excitation.ipynb")
        return 0

    monkeypatch.setattr(run_notebooks, "call", call)
    monkeypatch.setattr(run_notebooks, "TIMES", [tmp_path / "record.json"])
    assert run_notebooks.main(["channel/squeeze_excitation"]) == status
    assert words in capsys.readouterr().out


def test_the_table_of_times_puts_each_test_in_its_chapter_and_room():
    tests = {
        "tests/contract/test_contract.py::test_mechanism_keeps[spatial/non_local-check]": 1.0,
        "tests/book/test_pages.py::test_page_fits_a_phone[book/spatial/non_local.html]": 2.0,
        "tests/exercises/test_every_exercise.py::test_hints[non_local.weights]": 4.0,
        "tests/spatial/test_non_local.py::test_rows_sum_to_one": 8.0,
        "tests/unit/test_benchmarks.py::test_floors[spatial/non_local2]": 16.0,
        "tests/unit/test_task_non_local.py::test_draws[non_local]": 128.0,
        "tests/book/test_pages.py::test_page_fits_a_phone[book/notation.html]": 32.0,
        "book/spatial/non_local.ipynb::Cell 3": 64.0,
    }
    times = time_table.Times(tests, 1.0)
    table = time_table.by_chapter(times, ["spatial/non_local", "spatial/asymmetric_non_local"])
    assert table["spatial/non_local"] == {
        "contract": 1, "pages": 2, "exercises": 4, "own": 24, "notebook": 64,
    }  # fmt: skip
    assert table["once"] == {"own": 128, "pages": 32}
    assert not table["spatial/asymmetric_non_local"]


def test_what_one_test_pays_for_all_is_spread_over_them():
    """What the parts leave over belongs to the file, and to none of its tests."""
    found = {"a.py::x": 10.5, "a.py::y": 0.25, "a.py::z": 0.25, "b.py::x": 3.0}
    processor_time.spread(found, {"a.py::x": 4.0, "a.py::y": 6.0, "b.py::x": 0.0})
    assert found == {
        "a.py::x": 4.0, "a.py::y": 6.25, "a.py::z": 0.25, "a.py::start": 0.5, "b.py::x": 3.0,
    }  # fmt: skip


def test_what_is_set_up_once_belongs_to_no_test(monkeypatch):
    """A fixture of the whole session stands under its own name, not in the first test."""
    now = [10.0]
    monkeypatch.setattr(processor_time, "used", lambda: now[0])
    clock = processor_time.Clock(SimpleNamespace(getoption=lambda *_: 0))
    clock.before, clock.measured = now[0], time.monotonic()
    for scope, name, seconds in (("session", "dear", 6.0), ("module", "cheap", 1.0)):
        setup = clock.pytest_fixture_setup(SimpleNamespace(scope=scope, argname=name))
        next(setup)
        now[0] += seconds
        with pytest.raises(StopIteration):
            next(setup)
    now[0] += 2.0
    item = SimpleNamespace(user_properties=[])
    clock.pytest_runtest_makereport(item, SimpleNamespace(when="teardown"))
    report = SimpleNamespace(
        when="teardown", nodeid="a.py::x", user_properties=item.user_properties
    )
    clock.pytest_runtest_logreport(report)
    assert clock.found == {"a.py::x": 3.0, "a.py::dear": 6.0}


def test_finding_the_tests_of_a_file_belongs_to_the_file(tmp_path, monkeypatch):
    """In each worker, which sends it to the process that adds up; a folder has no row."""
    now = [5.0]
    monkeypatch.setattr(processor_time, "used", lambda: now[0])
    monkeypatch.setattr(processor_time.time, "process_time", lambda: now[0])
    monkeypatch.setattr(processor_time, "yardstick", lambda: 0.65)
    worker = processor_time.Clock(SimpleNamespace(workerinput={}, workeroutput={}))
    worker.before = now[0]
    file = "tests/channel/test_gct.py"
    module = create_autospec(pytest.Module, instance=True, nodeid=file)
    for collector, seconds in ((module, 2.0), (SimpleNamespace(nodeid="tests"), 1.0)):
        found = worker.pytest_make_collect_report(collector)
        next(found)
        now[0] += seconds
        with pytest.raises(StopIteration):
            next(found)
    worker.pytest_collection_finish()
    worker.pytest_sessionfinish(None)
    stored = tmp_path / "times.json"
    one = processor_time.Clock(SimpleNamespace(getoption=lambda name, *_: str(stored)))
    for _ in range(2):
        one.pytest_testnodedown(SimpleNamespace(workeroutput=worker.config.workeroutput), None)
    one.pytest_sessionfinish(None)
    times = time_table.Times.read([stored])
    assert times.tests == {"tests::start": 2.0, f"{file}::collection": 4.0}
    assert time_table.by_chapter(times, ["channel/gct"])["channel/gct"] == {"own": 4.0}


def test_the_machine_s_speed_is_taken_all_through_a_run(monkeypatch):
    """Every two minutes, and the yardstick's own time belongs to no test."""
    now, clocks = [0.0], iter([0, 100, 130, 200, 260, 330, 331])
    monkeypatch.setattr(processor_time, "used", lambda: now[0])
    monkeypatch.setattr(processor_time.time, "monotonic", lambda: next(clocks))

    def yardstick():
        now[0] += 0.65
        return 1.3

    monkeypatch.setattr(processor_time, "yardstick", yardstick)
    clock = processor_time.Clock(SimpleNamespace(getoption=lambda *_: 0))
    item = SimpleNamespace(user_properties=[])
    for _ in range(4):
        now[0] += 1.0
        clock.pytest_runtest_makereport(item, SimpleNamespace(when="teardown"))
    seconds = [value for name, value in item.user_properties if name == "processor_seconds"]
    assert seconds == pytest.approx([1.0] * 4)
    assert clock.slowness == [2.0, 2.0]


def test_a_page_pays_for_its_share_of_the_build(tmp_path):
    """In proportion to its length; pages of no chapter belong to what is done once."""
    for name, size in (("book/channel/gct.html", 300), ("book/intro.html", 100)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    times = time_table.Times(time_table.pages(tmp_path, 8.0), 1.0)
    table = time_table.by_chapter(times, ["channel/gct"])
    assert table == {"channel/gct": {"pages": 6.0}, "once": {"pages": 2.0}}


def test_what_is_over_its_budget_is_named():
    node = "tests/spatial/test_non_local.py::test_x"
    for seconds, slowness, over in ((26.0, 1.0, True), (24.0, 1.0, False), (26.0, 1.1, False)):
        times = time_table.Times({node: seconds}, slowness)
        row = time_table.lines(times, ["spatial/non_local"])[1]
        assert ("over" in row) == over
    assert "over 250" in time_table.lines(time_table.Times({}, 1.0), [], steps=251.0)[1]
