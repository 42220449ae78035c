"""Run the cells of the grid in several processes, each on one processor thread.

The parent alone reads and writes results files.  A worker gets one cell at a time and sends back
the finished run, so that whatever happens to a worker costs the run that it had in hand.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from attncourse.experiments.base import Experiment
from attncourse.experiments.ledger import Cell, Ledger
from attncourse.experiments.register import every_experiment_of
from attncourse.experiments.runner import frame_for, run_cell, told

#: Imported where they are needed, and needed by nearly every run.
_OFTEN = ("accelerate", "sklearn.datasets")

Find = Callable[[str], Sequence[Experiment]]


class Spend(NamedTuple):
    """Which budget the runs get, and at most how many steps of it."""

    full: bool
    steps: int | None


@dataclass
class _Worker:
    """A process, the pipe to it, and the cell that it has in hand."""

    process: Any
    pipe: Connection
    number: int
    cell: Cell | None = None


def record_in_jobs(
    cells: Sequence[Cell],
    ledgers: Mapping[str, Ledger],
    jobs: int,
    *,
    full: bool = False,
    steps: int | None = None,
    find: Find = every_experiment_of,
    say: Callable[[str], None] = print,
) -> dict[Cell, str]:
    """Run every missing cell and write its results file after each.

    Args:
        cells: what to run.
        ledgers: chapter -> its results, being filled.
        jobs: how many processes; each gets one thread, and a GPU in turn where there are any.
        full: use the budget for a GPU.
        steps: at most so many steps a run, for a trial.
        find: chapter -> experiments, importable by name in a new process.
        say: gets one line for each run.

    Returns:
        the cells that failed, each with the reason; all others are recorded.

    Raises:
        ValueError: if ``jobs`` is less than 1.
        KeyboardInterrupt: on Ctrl-C, after the workers were ended; finished runs are recorded.
    """
    if jobs < 1:
        raise ValueError(f"jobs={jobs} must be at least 1: name how many processes may run")
    waiting, failed, workers = deque(cells), {}, []
    spend = Spend(full, steps)
    try:
        workers = [_start(number, find, spend) for number in range(min(jobs, len(cells)))]
        for worker in workers:
            _give(worker, waiting, ledgers)
        while busy := {w.pipe: w for w in workers if w.cell is not None}:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                cell = worker.cell
                assert cell is not None
                try:
                    failure, metric, frame, row = worker.pipe.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    failure = _end_of(worker.process.exitcode)
                    worker.pipe.close()
                    workers.remove(worker)
                    if waiting:
                        worker = _start(worker.number, find, spend)
                        workers.append(worker)
                if failure:
                    failed[cell] = failure
                    say(f"{cell}: FAILED: {failure.strip().splitlines()[-1]}")
                else:
                    if row is not None:
                        ledgers[cell.chapter].enter(cell.experiment, frame, row)
                        ledgers[cell.chapter].save()
                    say(told(cell, metric, row))
                if worker in workers:
                    _give(worker, waiting, ledgers)
    finally:
        for worker in workers:
            if worker.cell is not None:
                worker.process.terminate()
            worker.pipe.close()
        for worker in workers:
            worker.process.join()
    return failed


def _context() -> multiprocessing.context.BaseContext:
    """How workers begin: on Linux as forks of a process that has imported torch once for all."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *_OFTEN])
    return context


def _start(number: int, find: Find, spend: Spend) -> _Worker:
    context = _context()
    ours, theirs = context.Pipe()
    # The process that workers are forked from has the environment of its own first moment.
    given = (theirs, number, find, spend, dict(os.environ))
    process = context.Process(target=_work, args=given, daemon=True)  # type: ignore[attr-defined]
    with _deaf_to_interrupts():
        process.start()
    theirs.close()  # so that the end of the worker is the end of the pipe
    return _Worker(process, ours, number)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C reaches a worker too; one that is started here ignores it from its first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _give(worker: _Worker, waiting: deque[Cell], ledgers: Mapping[str, Ledger]) -> None:
    """Hand the next cell over; a worker that cannot take it is noticed at its pipe's end."""
    worker.cell = waiting.popleft() if waiting else None
    if worker.cell is not None:
        cell = worker.cell
        known = ledgers[cell.chapter].known(cell.experiment, cell.variant, cell.seed)
        try:
            worker.pipe.send((cell, known))
        except OSError:
            return


def _end_of(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        why = " (a lack of memory does that: use fewer --jobs)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{why}"
    return f"its process ended with exit status {code}"


def _work(
    pipe: Connection, number: int, find: Find, spend: Spend, environment: dict[str, str]
) -> None:
    """The life of a worker: take a cell, run it, send the outcome, until the pipe is closed."""
    import torch

    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["ATTNCOURSE_PROGRESS"] = "off"
    torch.set_num_threads(1)
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    last: tuple[tuple[str, str], Any, Any] | None = None
    while True:
        try:
            cell, known = pipe.recv()
        except EOFError:
            return
        try:
            key = (cell.chapter, cell.experiment)
            if last is None or last[0] != key:
                last = None  # free the former data first
                experiment = next(e for e in find(cell.chapter) if e.name == cell.experiment)
                last = (key, experiment, experiment.task())
            _, experiment, task = last
            budget = experiment.budget(**spend._asdict())
            row = run_cell(experiment, cell, budget, task, known)
            pipe.send(("", experiment.metric, frame_for(experiment, task, budget), row))
        except Exception:
            pipe.send((traceback.format_exc(), "", None, None))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
