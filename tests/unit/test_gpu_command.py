"""``make gpu``: what it would run on a GPU, and the whole of it at a tiny budget on the CPU."""

from __future__ import annotations

import json

import course
import gpu
import pytest

from benchmarks.measure import broken


@pytest.fixture
def calls(monkeypatch):
    """Every command that would run."""
    made = []
    monkeypatch.setattr(gpu, "call", lambda *a, env=None: made.append([str(x) for x in a[1:]]) or 0)
    return made


def test_on_a_gpu_all_three_steps_run_in_full(calls, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "has_gpu", lambda: True)
    assert gpu.main(["--out", str(tmp_path)]) == 0
    bench, times, train = (" ".join(command) for command in calls)
    assert bench == f"-m benchmarks --out {tmp_path / 'benchmarks.json'} --device cuda --compiled"
    assert times == f"tools/notebook.py time --out {tmp_path / 'chapters.json'}"
    assert train == (
        f"-m attncourse run --all --full --jobs 4 --out {tmp_path / 'results'} --seeds 10"
    )


def test_one_step_can_be_asked_for(calls, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "has_gpu", lambda: True)
    options = ["--out", str(tmp_path), "--only", "chapters", "experiments", "--jobs", "2"]
    assert gpu.main(["channel/x", *options]) == 0
    assert [command[1] for command in calls] == ["time", "attncourse"]
    with pytest.raises(SystemExit):
        gpu.main(["--only", "everything"])


def test_a_failure_does_not_stop_the_rest(calls, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu, "has_gpu", lambda: True)

    def failing(*command, env=None):
        calls.append([str(x) for x in command])
        return int("time" in command)

    monkeypatch.setattr(gpu, "call", failing)
    assert gpu.main(["--out", str(tmp_path), "channel/a", "channel/b"]) == 1
    assert len(calls) == 4, "benchmarks, chapters, and the experiments of two chapters"
    out = capsys.readouterr().out
    assert [line.split()[-1] for line in out.splitlines() if line.endswith(("done", "FAILED"))] == [
        "done", "FAILED", "done", "done",
    ]  # fmt: skip
    assert "goes on from there" in out


def test_without_a_gpu_it_says_what_to_do(calls, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "has_gpu", lambda: False)
    assert gpu.main([]) == 2
    assert "add --trial" in capsys.readouterr().out
    assert gpu.main(["--trial", "--out", str(gpu.RECORD)]) == 2
    assert "name another --out" in capsys.readouterr().out
    assert calls == []


def test_the_course_command_passes_everything_on(monkeypatch):
    made = []
    monkeypatch.setattr(course, "environment", lambda purpose: made.append(purpose))
    monkeypatch.setattr(course, "call", lambda *a, env=None: made.append([str(x) for x in a]) or 0)
    assert course.main(["gpu", "spatial/non_local", "--seeds", "3"]) == 0
    assert made[0] == "all"
    assert made[1][1:] == ["tools/gpu.py", "spatial/non_local", "--seeds", "3"]
    assert course.main(["gpu", "--here", "--trial"]) == 0
    assert made[2][1:] == ["tools/gpu.py", "--trial"], "no environment of its own"
    with pytest.raises(SystemExit):
        course.main(["serve", "--trial"])


def test_a_trial_trains_every_variant_for_one_step(calls, tmp_path, monkeypatch):
    """The command line that it makes is one that the package understands."""
    from attncourse import experiments
    from attncourse.__main__ import main

    chapter = "spatial/recurrent_attention"
    assert gpu.main([chapter, "--trial", "--out", str(tmp_path), "--only", "experiments"]) == 0
    (command,) = calls
    assert command[:2] == ["-m", "attncourse"]
    runs = []
    monkeypatch.setattr(
        experiments, "record_in_jobs", lambda cells, ledgers, jobs, **o: runs.append((cells, o))
    )
    main(command[2:])
    ((cells, options),) = runs
    variants = [
        (e.name, v.name) for e in experiments.every_experiment_of(chapter) for v in e.variants
    ]
    assert [(cell.experiment, cell.variant) for cell in cells] == variants
    assert {cell.seed for cell in cells} == {0}
    assert (options["full"], options["steps"]) == (True, 1)


@pytest.mark.slow
def test_the_benchmarks_run_at_a_tiny_budget(tmp_path):
    """Experiments and notebooks of a trial have tests of their own."""
    chapter = "temporal/global_local_temporal"
    assert gpu.main([chapter, "--trial", "--out", str(tmp_path), "--only", "benchmarks"]) == 0
    table = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert [row["chapter"] for row in table["rows"]] == [chapter]
    assert table["roofline"]["bytes_per_second"] > 0
    assert broken(table["rows"][0]) == []
