"""``python -m attncourse`` and the doctor."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from attncourse.__main__ import main
from attncourse.doctor import examine
from attncourse.exercises.register import chapters
from attncourse.plan import CHAPTERS


def test_list_shows_what_exists_and_what_is_coming(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "\nchannel (what)\n" in out
    assert "    channel/squeeze_excitation" in out
    assert "    closing/choosing" in out
    assert "    closing/cost" in out
    coming = [chapter.path for chapter in CHAPTERS if chapter.path not in chapters()]
    assert all(f"· {path}" in out for path in coming)
    assert ("\n· coming" in out) == bool(coming)
    lines = {c.path: next(li for li in out.splitlines() if f" {c.path} " in li) for c in CHAPTERS}
    assert len({lines[c.path].index(c.title, 40) for c in CHAPTERS}) == 1, "titles in one column"


def test_list_as_data(capsys):
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["chapter"] == "channel/squeeze_excitation"


@pytest.mark.parametrize("code_page", ["ascii", "cp1252", "gbk", "cp932", "utf-8"])
@pytest.mark.parametrize("command", ["list", "list --json", "progress", "--help"])
def test_every_command_prints_on_any_code_page(command, code_page, monkeypatch, tmp_path):
    """Letters that a code page lacks are escaped; data stay JSON."""
    page = io.TextIOWrapper(io.BytesIO(), encoding=code_page)
    monkeypatch.setattr(sys, "stdout", page)
    with suppress(SystemExit):  # as --help ends
        assert main(command.split()) == 0
    page.flush()
    printed = page.buffer.getvalue().decode(code_page)
    assert printed.strip()
    if "--json" in command:
        cards = json.loads(printed)
        assert any("σ" in card["decides"] for card in cards)


def test_doctor_finds_a_healthy_machine(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("ATTNCOURSE_DATA", raising=False)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in (
        "Python",
        "torch",
        "device",
        "processor threads",
        "progress folder",
        "Nothing is wrong",
    ):
        assert word in out


def test_doctor_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("ATTNCOURSE_DATA", str(tmp_path / "gone"))
    report, healthy = examine()
    assert not healthy
    assert "no such folder: correct or unset the variable" in report
    assert "Lines with ! need attention" in report


def test_doctor_notices_a_home_that_cannot_be_written(monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    report, healthy = examine()
    assert not healthy
    assert "progress is not kept: set ATTNCOURSE_HOME" in report


def test_doctor_says_what_is_missing(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    import attncourse.doctor as doctor

    def lacks(name):
        if name in ("pooch", "jupyterlab"):
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", lacks)
    report, healthy = examine()
    assert "pip install pooch" in report
    assert "not installed (only needed to work on the book)" in report
    assert not healthy


def test_doctor_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    report, healthy = examine()
    assert "torch does not load" in report
    assert not healthy


def test_run_records_where_it_is_told(tmp_path, monkeypatch, capsys):
    from attncourse.experiments.channel import squeeze_excitation
    from attncourse.training import Budget

    short = [
        squeeze_excitation.Experiment(**(vars(e) | {"quick": Budget(2, batch_size=8)}))
        for e in squeeze_excitation.EXPERIMENTS[:1]
    ]
    monkeypatch.setattr(squeeze_excitation, "EXPERIMENTS", tuple(short))
    call = ["run", "channel/squeeze_excitation", "--seeds", "2", "--out", str(tmp_path)]
    assert main(call) == 0
    stored = json.loads((tmp_path / "channel/squeeze_excitation.json").read_text(encoding="utf-8"))
    assert len(stored["experiments"]["which_stream"]["runs"]) == 2 * len(short[0].variants)
    assert main([*call, "--experiment", "which_stream"]) == 0
    assert "recorded already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["run"], "name one chapter"),
        (["run", "channel/squeeze_excitation", "--all"], "not both"),
        (["run", "channel/nothing"], "the course has: channel/squeeze_excitation"),
        (["run", "channel/squeeze_excitation", "--experiment", "x"], "it has: which_stream"),
        (["run", "--all", "--steps", "1"], "name another --out"),
        (["run", "--all", "--steps", "1", "--out", "./book/results/"], "name another --out"),
    ],
)
def test_calls_that_make_no_sense_say_what_would(call, words, capsys):
    assert main(call) == 2
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("seeds", ["0", "-1", "two"])
def test_seeds_are_counted_from_one(seeds, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "channel/squeeze_excitation", f"--seeds={seeds}"])
    assert stop.value.code == 2
    assert "must be a whole number of at least 1" in capsys.readouterr().err


def test_progress_starts_empty(capsys):
    assert main(["progress"]) == 0
    assert "squeeze_excitation" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="no head on Windows")
def test_a_pipe_that_closes_early_is_no_error():
    done = subprocess.run(
        f'"{sys.executable}" -m attncourse list | head -1',
        shell=True,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
