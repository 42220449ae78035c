"""As many threads as cores may be used, unless the user chose a number."""

from __future__ import annotations

import os

import pytest
import torch

from attncourse import threads


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    for name in threads.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    threads.settle.cache_clear()
    yield
    threads.settle.cache_clear()


def group(folder, text=None, *, quota=None, period="100000"):
    """A control group of version 2, or of version 1."""
    if text is not None:
        (folder / "cpu.max").write_text(text)
    if quota is not None:
        (folder / "cpu").mkdir()
        (folder / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return folder


def affinity(monkeypatch, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, 16),
        ({"text": "max 100000"}, 16),
        ({"text": "200000 100000"}, 2),
        ({"text": "150000 100000"}, 2),
        ({"text": "10000 100000"}, 1),
        ({"text": "6400000 100000"}, 16),
        ({"text": "nonsense"}, 16),
        ({"quota": "-1"}, 16),
        ({"quota": "300000"}, 3),
    ],
)
def test_affinity_and_quota_are_honoured(given, wanted, tmp_path, monkeypatch):
    affinity(monkeypatch, 16)
    assert threads.usable_cores(group(tmp_path, **given)) == wanted


def test_a_narrow_affinity_is_honoured(tmp_path, monkeypatch):
    affinity(monkeypatch, 3)
    assert threads.usable_cores(group(tmp_path, "800000 100000")) == 3


@pytest.fixture
def torch_has(monkeypatch):
    """Says how many threads torch has, and keeps what is asked for."""
    asked = []

    def having(now, usable, seen=16):
        monkeypatch.setattr(torch, "get_num_threads", lambda: now)
        monkeypatch.setattr(torch, "set_num_threads", asked.append)
        monkeypatch.setattr(threads, "usable_cores", lambda: usable)
        monkeypatch.setattr(os, "cpu_count", lambda: seen)
        return asked

    return having


def test_too_many_threads_are_lowered_once(torch_has):
    asked = torch_has(16, usable=2)
    threads.settle()
    threads.settle()
    assert asked == [2]


def test_a_number_in_the_environment_stays(torch_has, monkeypatch):
    asked = torch_has(16, usable=2)
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    threads.settle()
    assert asked == []


def test_a_number_that_torch_would_not_choose_stays(torch_has, monkeypatch):
    affinity(monkeypatch, 16)
    asked = torch_has(5, usable=2)
    threads.settle()
    assert asked == []


def test_fewer_threads_than_cores_stay(torch_has):
    asked = torch_has(1, usable=2)
    threads.settle()
    assert asked == []


def test_training_and_chapters_settle(torch_has):
    from attncourse import views

    asked = torch_has(16, usable=2)
    views.use()
    assert asked == [2]
