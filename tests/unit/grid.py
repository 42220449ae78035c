"""Small experiments that a new process can import, for ``test_jobs.py``."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from torch import nn

from attncourse.experiments import Experiment, Variant
from attncourse.tasks import digits_task
from attncourse.training import Budget

#: Names the folder in which every network that is built leaves a mark.
MARKS = "ATTNCOURSE_TEST_MARKS"


def mark(name):
    """Count that ``name`` was built, across processes."""
    with open(Path(os.environ[MARKS]) / name, "a") as file:
        file.write("x")


def tiny(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def breaks():
    raise ArithmeticError("this network cannot be built")


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps():
    """The first run of it waits until it is ended."""
    mark("asleep")
    if (Path(os.environ[MARKS]) / "asleep").stat().st_size < 2:
        time.sleep(10_000)
    return tiny()


def experiment(name, *variants, steps=5):
    return Experiment(
        name=name, question="?", task=digits_task, data="digits", variants=variants,
        quick=Budget(steps, batch_size=32), full=Budget(2 * steps, batch_size=32),
    )  # fmt: skip


NARROW, WIDE = Variant("narrow", "plain", tiny, ""), Variant("wide", "plain", lambda: tiny(16), "")
CHAPTERS = {
    "c/good": (experiment("slow", NARROW, WIDE, steps=150), experiment("fast", NARROW, WIDE)),
    "c/other": (experiment("one", WIDE),),
    "c/bad": (
        experiment("sound", NARROW),
        experiment("odd", Variant("breaks", "plain", breaks, ""), NARROW),
        experiment("fatal", Variant("dies", "plain", dies, ""), WIDE),
    ),
    "c/long": (experiment("long", NARROW, Variant("sleeps", "plain", sleeps, ""), WIDE),),
}


def find(chapter):
    return CHAPTERS[chapter]
