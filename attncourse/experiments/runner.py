"""Run an experiment over variants and seeds, and record every finished run at once."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from attncourse.experiments.base import Experiment
from attncourse.experiments.items import packed, test_set_of
from attncourse.experiments.ledger import Cell, Ledger, cells_of
from attncourse.experiments.results import Results
from attncourse.experiments.scores import Score
from attncourse.tasks import Task
from attncourse.training import Budget, default_accelerator, parallel, seed_everything

if TYPE_CHECKING:
    from accelerate import Accelerator

#: Two scores of one run may differ by so much: some are summed in another order or precision.
SAME_SCORE = 1e-5


def record(
    chapter: str,
    experiments: Sequence[Experiment],
    seeds: Sequence[int],
    out: Path,
    *,
    full: bool = False,
    steps: int | None = None,
    renew: bool = True,
    say: Callable[[str], None] = print,
) -> Results:
    """Run every missing (experiment, variant, seed) and write ``out`` after each.

    A run that ``out`` already holds, made with the same budget and the same task, is not made
    again, so that an interrupted call loses at most the run in flight.  A recorded run without
    its test items is made again for them: if the score is the recorded one, the items are added
    to it, and else the new run takes its place and names what it replaces.

    Args:
        chapter: path of the mechanism's chapter.
        experiments: what to run.
        seeds: the seeds; each variant gets all of them.
        out: the results file.
        full: use the budget for a GPU.
        steps: at most so many steps a run, for a trial.
        renew: make a recorded run without test items again.
        say: gets one line for each run.

    Returns:
        all results, old and new.

    Raises:
        ValueError: if ``out`` is not a results file of this chapter.
        Exception: whatever a run raises; the runs before it are recorded.
    """
    accelerator = default_accelerator() if parallel.launched() else None
    # Under ``accelerate launch`` every process comes here; the main one reads, writes and speaks.
    stored = parallel.from_main(lambda: Results.load(out, chapter))
    ledger = Ledger(chapter, experiments, out, stored, renew=renew)
    for experiment in experiments:
        budget = experiment.budget(full=full, steps=steps)
        task = parallel.one_after_another(experiment.task)
        frame = frame_for(experiment, task, budget)
        for cell in cells_of(chapter, [experiment], seeds):
            known = ledger.known(experiment.name, cell.variant, cell.seed)
            row = run_cell(experiment, cell, budget, task, known, accelerator)
            if row is not None:
                ledger.enter(experiment.name, frame, row)
                if parallel.is_main():
                    ledger.save()
            if parallel.is_main():
                say(told(cell, experiment.metric, row))
    return ledger.results


def frame_for(experiment: Experiment, task: Task, budget: Budget) -> dict[str, Any]:
    """What all recorded runs of an experiment must have in common."""
    return {
        "question": experiment.question,
        "data": experiment.data,
        "task": repr(task),
        "budget": asdict(budget),
        "metric": experiment.metric,
    }


def run_cell(
    experiment: Experiment,
    cell: Cell,
    budget: Budget,
    task: Task,
    known: dict[str, Any] | None,
    accelerator: Accelerator | None = None,
) -> dict[str, Any] | None:
    """Run one cell, or return ``None`` if ``known`` is the same run.

    Args:
        experiment: the cell's experiment.
        cell: which variant and seed.
        budget: what the run may spend.
        task: the experiment's task.
        known: the recorded run, as :meth:`Ledger.known` gives it.
        accelerator: of the processes that train together, if there are several.
    """
    start = parallel.from_main(
        lambda: fingerprint(experiment, cell.variant, task, cell.seed, budget)
    )
    test_set = test_set_of(experiment.score, task) if isinstance(experiment.score, Score) else None
    same = known is not None and (known["frame"], known["run"]["start"]) == (
        frame_for(experiment, task, budget), start
    )  # fmt: skip
    old = known["run"] if known is not None and same else {}
    whole = test_set is None or old.get("items", {}).get("test_set") == test_set["id"]
    if known is not None and same and (whole or not known["renew"]):
        return None
    run, measured = experiment.measure(
        cell.variant, cell.seed, budget=budget, task=task, accelerator=accelerator
    )
    row: dict[str, Any] = {
        "variant": cell.variant,
        "role": experiment.variant(cell.variant).role,
        "seed": cell.seed,
        "score": measured.value,
        "final_loss": sum(run.losses[-20:]) / len(run.losses[-20:]),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": round(run.seconds, 2),
        "device": run.device,
        "versions": versions(),
        "commit": commit(),
        "start": start,
    }
    if test_set is not None and measured.items is not None:
        stored = packed(measured.items.numpy())
        row["items"] = {"test_set": test_set["id"], "count": len(measured.items), **stored}
    rate = experiment.variant(cell.variant).rate
    if rate is not None:
        row["learning_rate"] = rate
    if measured.kept is not None:
        row["kept"] = measured.kept
    return {**_over(old, row), "test_set": test_set}


def _over(old: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """A run that was made again for its items: the recorded one with items if the score agrees."""
    if not old or "items" in old:
        return row
    if abs(old["score"] - row["score"]) <= SAME_SCORE:
        return {**old, "items": row["items"]}
    where = {key: old[key] for key in ("score", "device", "versions", "commit")}
    return {**row, "replaces": where}


def told(cell: Cell, metric: str, row: dict[str, Any] | None) -> str:
    """The line that reports a cell."""
    name = f"{cell.experiment}: {cell.variant}, seed {cell.seed}"
    if row is None:
        return f"{name}: recorded already"
    line = f"{name}: {metric} {row['score']:.4f} in {row['seconds']:.0f} s on {row['device']}"
    if "replaces" in row:
        was = row["replaces"]
        line += f"; recorded before: {was['score']:.4f} on {was['device']}, another number"
    return line


def fingerprint(experiment: Experiment, variant: str, task: Task, seed: int, budget: Budget) -> str:
    """Short hash of how a run starts: its initial weights, its first loss, a rate of its own.

    It changes when the network, its initialisation, its forward pass or the data change, and
    stays when a comment does.
    """
    seed_everything(seed)
    model = experiment.variant(variant).build()
    hashed = hashlib.sha256()
    for name, value in model.state_dict().items():
        hashed.update(name.encode() + value.numpy().tobytes())
    x, y = task.train_batch(seed, 0, budget.batch_size)
    with torch.no_grad():
        loss = float(experiment.loss(model.train()(x), y))
    hashed.update(f"{loss:.3f}".encode())
    rate = experiment.variant(variant).rate
    if rate is not None:
        hashed.update(f"{rate}".encode())
    return hashed.hexdigest()[:12]


def versions() -> dict[str, str]:
    """What a result depends on beside the device: versions, and the processor's instructions.

    Two processors may add in a different order, with the same widest instructions too.  The last
    digits then differ from the first step on, and after a training so may an answer in a hundred;
    of a network that some seeds do not learn, other seeds may be the ones that fail.
    """
    import numpy

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def commit() -> str:
    """The commit of the working tree, with ``+`` if it has changes, or ``unknown``."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True
        )
        state = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "."],
            cwd=here, capture_output=True, text=True,
        )  # fmt: skip
    except OSError:
        return "unknown"
    if head.returncode != 0:
        return "unknown"
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")
