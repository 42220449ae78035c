"""What an experiment is, and how one cell of it (a variant, a seed) is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.experiments.scores import ACCURACY, Measured, Score
from attncourse.tasks import Task
from attncourse.training import Budget, Run, fit, seed_everything

if TYPE_CHECKING:
    from accelerate import Accelerator

ROLES = ("plain", "mechanism", "ablation")


@dataclass(frozen=True)
class Variant:
    """One network of the comparison.

    Attributes:
        name: short, as the figure labels it.
        role: ``plain``, ``mechanism`` or ``ablation``; it fixes the colour.
        build: makes the network; called right after seeding.
        why: what the comparison with it shows.
        rate: peak learning rate in place of the budget's, where each network has its own.
    """

    name: str
    role: str
    build: Callable[[], nn.Module]
    why: str
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role={self.role!r} is unknown: choose one of {', '.join(ROLES)}")


@dataclass(frozen=True)
class Experiment:
    """A question, a task, the variants that answer it, and what each may spend.

    Attributes:
        name: short identifier, unique within its mechanism.
        question: what the experiment asks, as a sentence.
        task: makes the task; real data are loaded only here.
        variants: the plain network first.
        quick: budget for two processor cores.
        full: budget for a GPU.
        data: where the data come from, for the record.
        loss: (outputs, targets) -> scalar to minimise.
        score: a :class:`Score`, which keeps a number for each test item; or a plain function
            (model, test inputs, test targets) -> the number to compare, larger is better.
        metric: what the score is called.
        matters: the difference of scores that would matter to a reader, stated before the runs;
            a difference is *clear* only beyond it, and *clearly small* only within it.
        learned: a run with at least this score counts as having learned, where seeds fall into
            those that learn and those that never start.

    Raises:
        ValueError: if ``matters`` is not positive.
    """

    name: str
    question: str
    task: Callable[[], Task]
    variants: tuple[Variant, ...]
    quick: Budget
    full: Budget
    data: str
    loss: Callable[..., Tensor] = F.cross_entropy
    score: Score | Callable[[nn.Module, Tensor, Tensor], float] = ACCURACY
    metric: str = "test accuracy"
    matters: float | None = None
    learned: float | None = None

    def __post_init__(self) -> None:
        if self.matters is not None and self.matters <= 0:
            raise ValueError(
                f"matters={self.matters} must be positive: state the least difference worth having"
            )

    def budget(self, *, full: bool = False, steps: int | None = None) -> Budget:
        """What a run may spend: ``full`` or ``quick``, and at most ``steps`` steps of it."""
        chosen = self.full if full else self.quick
        return chosen if steps is None else replace(chosen, steps=min(steps, chosen.steps))

    def spends(self, variant: str, budget: Budget) -> Budget:
        """``budget`` with the variant's own learning rate, if it has one."""
        rate = self.variant(variant).rate
        return budget if rate is None else replace(budget, learning_rate=rate)

    def variant(self, name: str) -> Variant:
        """The variant called ``name``."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(v.name for v in self.variants)
        raise KeyError(f"experiment {self.name!r} has no variant {name!r}; it has: {known}")

    def run(
        self,
        variant: str,
        seed: int,
        *,
        budget: Budget | None = None,
        task: Task | None = None,
        checkpoint: Path | None = None,
        accelerator: Accelerator | None = None,
    ) -> tuple[Run, float]:
        """Train one variant with one seed and score it; see :meth:`measure`.

        Returns:
            the run and its score on the test set.
        """
        run, measured = self.measure(
            variant, seed, budget=budget, task=task, checkpoint=checkpoint, accelerator=accelerator
        )
        return run, measured.value

    def measure(
        self,
        variant: str,
        seed: int,
        *,
        budget: Budget | None = None,
        task: Task | None = None,
        checkpoint: Path | None = None,
        accelerator: Accelerator | None = None,
    ) -> tuple[Run, Measured]:
        """Train one variant with one seed.

        Args:
            variant: its name.
            seed: fixes initial weights, batches and any randomness in the network.
            budget: in place of ``quick``.
            task: in place of a new one, to load data once for many runs.
            checkpoint: file to resume from.
            accelerator: to override the choice of device.

        Returns:
            the run, and its score on the test set with a number for each item.
        """
        task = task or self.task()
        seed_everything(seed)
        model = self.variant(variant).build()
        run = fit(
            model,
            task,
            self.spends(variant, budget or self.quick),
            seed=seed,
            loss=self.loss,
            checkpoint=checkpoint,
            title=f"{variant}, seed {seed}",
            accelerator=accelerator,
            stay=True,
        )
        test = task.test_set()
        if isinstance(self.score, Score):  # where it was trained: test sets are large
            measured = self.score.measure(run.model, *test)
        else:
            measured = Measured(self.score(run.model, *test))
        run.model.cpu()
        return run, measured
