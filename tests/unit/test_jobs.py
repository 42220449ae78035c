"""A grid of runs in several processes, in shards, and what a failure costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from attncourse.__main__ import main
from attncourse.experiments import (
    Ledger,
    Results,
    ShardLedger,
    cells_of,
    cells_of_shard,
    experiments_of,
    merge,
    record,
    record_in_jobs,
    shard_folder,
)
from attncourse.measure import one_thread
from tests.conftest import PATIENCE
from tests.unit import grid

pytestmark = pytest.mark.slow


def quiet(line):
    pass


def all_cells(chapters, seeds=2):
    return [cell for c in chapters for cell in cells_of(c, grid.find(c), range(seeds))]


def jobs(folder, chapters, seeds=2, count=2, cells=None, say=quiet):
    ledgers = {c: Ledger(c, grid.find(c), folder / f"{c}.json") for c in chapters}
    cells = all_cells(chapters, seeds) if cells is None else cells
    return record_in_jobs(cells, ledgers, count, find=grid.find, say=say)


def alone(folder, chapters, seeds=2):
    with one_thread():
        for c in chapters:
            record(c, grid.find(c), range(seeds), folder / f"{c}.json", say=quiet)


def text(folder, chapter):
    """A results file's lines, but for the seconds."""
    lines = (folder / f"{chapter}.json").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if '"seconds"' not in line]


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """One grid in two processes, in which one cell breaks and one kills its process.

    The first experiment's runs take longer, so that they do not end in order; some cells are
    there before.
    """
    folder = tmp_path_factory.mktemp("grid")
    alone(folder / "one", ["c/good", "c/other"])
    alone(folder / "many", ["c/good"], seeds=1)
    cells = all_cells(["c/good", "c/other"]) + all_cells(["c/bad"], seeds=1)
    lines = []
    chapters = ["c/good", "c/other", "c/bad"]
    failed = jobs(folder / "many", chapters, cells=cells, say=lines.append)
    return folder, failed, lines


def test_jobs_write_the_file_that_one_job_writes(grown):
    folder, _, lines = grown
    for chapter in ("c/good", "c/other"):
        assert text(folder / "many", chapter) == text(folder / "one", chapter)
    assert sum("recorded already" in line for line in lines) == 4


def test_finished_cells_are_not_run_again(grown):
    folder, lines = grown[0] / "many", []
    before = (folder / "c/good.json").read_bytes()
    assert jobs(folder, ["c/good"], count=1, say=lines.append) == {}
    assert sum("recorded already" in line for line in lines) == len(lines) == 8
    assert (folder / "c/good.json").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a Unix signal")
def test_a_failed_cell_is_named_and_the_others_go_on(grown):
    folder, failed, _ = grown
    named = {str(cell): reason for cell, reason in failed.items()}
    assert set(named) == {"c/bad, odd: breaks, seed 0", "c/bad, fatal: dies, seed 0"}
    assert "ArithmeticError: this network cannot be built" in named["c/bad, odd: breaks, seed 0"]
    assert "ended by SIGKILL (a lack of memory" in named["c/bad, fatal: dies, seed 0"]
    found = Results.load(folder / "many/c/bad.json", "c/bad")
    assert {name: found.variants(name) for name in found.experiments} == {
        "sound": ["narrow"], "odd": ["narrow"], "fatal": ["wide"],
    }  # fmt: skip


def gone(group):
    """Whether all processes of a group end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


#: Who runs the tests in the background of a shell has them ignore interrupts.
SCRIPT = """
import signal, sys
from pathlib import Path
from tests.unit import test_jobs

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        test_jobs.jobs(Path(sys.argv[1]), ["c/long"], say=lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(os.name == "nt", reason="these are Unix signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_grid_loses_only_what_was_in_flight(tmp_path, repository, monkeypatch, stop):
    """Two workers; one sleeps in its run for ever while the other finishes all that is left."""
    monkeypatch.setenv(grid.MARKS, str(tmp_path))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(repository)}
    call = [sys.executable, str(script), str(tmp_path)]
    running = subprocess.Popen(
        call, cwd=repository, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines = [running.stdout.readline() for _ in range(5)]
    if stop == signal.SIGINT:
        os.killpg(running.pid, stop)  # as a terminal does: the workers get it too
    else:
        running.send_signal(stop)
    rest, _ = running.communicate(timeout=PATIENCE)  # ends when the workers' ends of the pipe close
    assert running.returncode == (130 if stop == signal.SIGINT else -stop)
    assert "Traceback" not in rest, rest
    assert gone(running.pid), "a worker outlives its parent"
    runs = Results.load(tmp_path / "c/long.json", "c/long").experiments["long"]["runs"]
    assert len(runs) == 5, lines
    again = []
    assert jobs(tmp_path, ["c/long"], count=1, say=again.append) == {}
    assert sum("recorded already" in line for line in again) == 5
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["long.json"]


def test_shards_cover_the_grid_once_and_merge_to_one_job_s_file(tmp_path):
    chapters = ["c/good", "c/other"]
    alone(tmp_path / "one", chapters)
    cells, out = all_cells(chapters), tmp_path / "many"
    shared = [cells_of_shard(cells, index, 3) for index in (1, 2, 3)]
    assert sorted(str(cell) for share in shared for cell in share) == sorted(map(str, cells))
    alone(out, ["c/other"], seeds=1)  # one cell is there before
    lines = []
    for index in (3, 1, 2):
        folder = shard_folder(out, index, 3)
        ledgers = {
            c: ShardLedger(c, grid.find(c), folder / f"{c}.json", out / f"{c}.json")
            for c in chapters
        }
        record_in_jobs(shared[index - 1], ledgers, 1, find=grid.find, say=lines.append)
        if index != 2:
            with pytest.raises(FileNotFoundError, match="not all shards have run"):
                merge(out, find=grid.find, say=quiet)
    assert sum("recorded already" in line for line in lines) == 1
    assert merge(out, find=grid.find, say=quiet) == len(cells) - 1
    for chapter in chapters:
        assert text(out, chapter) == text(tmp_path / "one", chapter)
    assert not (out / "shards").exists()


def test_shards_that_do_not_belong_together_are_refused_and_kept(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no shards in .*: run some with --shard 1/4"):
        merge(tmp_path)
    for index in (1, 2):
        path = shard_folder(tmp_path, index, 2) / "c/other.json"
        alone(path.parents[1], ["c/other"], seeds=index)
    stored = json.loads(path.read_text())
    stored["experiments"]["one"]["budget"]["steps"] = 6
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="with different budgets or tasks: move"):
        merge(tmp_path, find=grid.find, say=quiet)
    shard_folder(tmp_path, 1, 3).mkdir()
    with pytest.raises(ValueError, match="holds shards of 2 and of 3: move away those"):
        merge(tmp_path, find=grid.find, say=quiet)
    assert path.exists()
    assert not (tmp_path / "c").exists()


def test_impossible_numbers_are_refused(capsys):
    with pytest.raises(ValueError, match="jobs=0 must be at least 1"):
        record_in_jobs([], {}, 0)
    with pytest.raises(ValueError, match="shard 5/4 does not exist: count from 1 to 4"):
        cells_of_shard([], 5, 4)
    for wrong in ("0/4", "5/4", "1", "a/b"):
        with pytest.raises(SystemExit):
            main(["run", "--all", "--shard", wrong])
        assert "must be I/N with I from 1 to N, such as 1/4" in capsys.readouterr().err


def test_the_command_runs_jobs_shards_and_merges(tmp_path, capsys, monkeypatch):
    chapter, name = "channel/squeeze_excitation", "digits"
    runs = len(next(e for e in experiments_of(chapter) if e.name == name).variants)
    call = ["run", chapter, "--experiment", name]
    call += ["--seeds", "1", "--steps", "2", "--out", str(tmp_path)]
    assert main([*call, "--shard", "1/2"]) == 0
    assert main(["merge", "--out", str(tmp_path)]) == 1
    assert "missing in" in capsys.readouterr().out
    assert main([*call, "--shard", "2/2", "--jobs", "2"]) == 0
    assert main(["merge", "--out", str(tmp_path)]) == 0
    assert f"{runs} runs taken over" in capsys.readouterr().out
    assert main(call) == 0  # one job finds what the shards have run
    assert capsys.readouterr().out.count("recorded already") == runs
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main([*call, "--jobs", "2"]) == 2
    assert "choose one of the two" in capsys.readouterr().out


def test_the_command_names_what_failed(tmp_path, capsys, monkeypatch):
    from attncourse import experiments

    cell = experiments.Cell("c/x", "e", "v", 3)
    monkeypatch.setattr(experiments, "record_in_jobs", lambda *a, **o: {cell: "Error: why\n"})
    assert main(["run", "--all", "--jobs", "2", "--out", str(tmp_path)]) == 1
    assert "c/x, e: v, seed 3\nError: why" in capsys.readouterr().out

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "record_in_jobs", interrupted)
    assert main(["run", "--all", "--jobs", "2", "--out", str(tmp_path)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().out
