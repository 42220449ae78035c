"""Run an experiment over variants and seeds, and record every finished run at once."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from attncourse.experiments.base import Experiment
from attncourse.experiments.results import Results
from attncourse.tasks import Task
from attncourse.training import Budget, seed_everything


def record(
    chapter: str,
    experiments: Sequence[Experiment],
    seeds: Sequence[int],
    out: Path,
    *,
    full: bool = False,
    say: Callable[[str], None] = print,
) -> Results:
    """Run every missing (experiment, variant, seed) and write ``out`` after each.

    A run that ``out`` already holds, made with the same budget and the same task, is not made
    again, so that an interrupted call loses at most the run in flight.

    Args:
        chapter: path of the mechanism's chapter.
        experiments: what to run.
        seeds: the seeds; each variant gets all of them.
        out: the results file.
        full: use the budget for a GPU.
        say: gets one line for each run.

    Returns:
        all results, old and new.
    """
    results = Results.load(out, chapter)
    for experiment in experiments:
        budget = experiment.full if full else experiment.quick
        task = experiment.task()
        frame = {
            "question": experiment.question,
            "data": experiment.data,
            "task": repr(task),
            "budget": asdict(budget),
            "metric": experiment.metric,
        }
        entry = results.experiments.get(experiment.name)
        if entry is None or any(entry.get(key) != value for key, value in frame.items()):
            entry = results.experiments[experiment.name] = {**frame, "runs": []}
        for seed in seeds:
            for variant in experiment.variants:
                start = fingerprint(experiment, variant.name, task, seed, budget)
                if _done(entry, variant.name, seed, start):
                    say(f"{experiment.name}: {variant.name}, seed {seed}: recorded already")
                    continue
                row = _one(experiment, variant.name, seed, budget, task, start)
                kept = [r for r in entry["runs"] if (r["variant"], r["seed"]) != row["_key"]]
                row.pop("_key")
                entry["runs"] = _ordered(experiment, [*kept, row])
                results.save(out)
                say(
                    f"{experiment.name}: {variant.name}, seed {seed}: {experiment.metric} "
                    f"{row['score']:.4f} in {row['seconds']:.0f} s on {row['device']}"
                )
    return results


def _one(
    experiment: Experiment, variant: str, seed: int, budget: Budget, task: Task, start: str
) -> dict[str, Any]:
    run, value = experiment.run(variant, seed, budget=budget, task=task)
    return {
        "_key": (variant, seed),
        "variant": variant,
        "role": experiment.variant(variant).role,
        "seed": seed,
        "score": value,
        "final_loss": sum(run.losses[-20:]) / len(run.losses[-20:]),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": round(run.seconds, 2),
        "device": run.device,
        "versions": versions(),
        "commit": commit(),
        "start": start,
    }


def _done(entry: dict[str, Any], variant: str, seed: int, start: str) -> bool:
    return any(
        (run["variant"], run["seed"], run["start"]) == (variant, seed, start)
        for run in entry["runs"]
    )


def _ordered(experiment: Experiment, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    place = {variant.name: index for index, variant in enumerate(experiment.variants)}
    return sorted(runs, key=lambda run: (place.get(run["variant"], len(place)), run["seed"]))


def fingerprint(experiment: Experiment, variant: str, task: Task, seed: int, budget: Budget) -> str:
    """Short hash of how a run starts: its initial weights and its first loss.

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
    return hashed.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    import numpy

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
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
