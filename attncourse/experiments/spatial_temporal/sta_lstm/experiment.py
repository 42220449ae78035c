"""Experiments on STA-LSTM: a task that needs the joint gate, and two sets of real skeletons.

Every network is the same LSTM with or without gates.  Beside the mechanism stand a plain LSTM with
at least as many parameters, weights that do not look at the clip, and the trained mechanism tested
with the gates of other clips: what it then loses is what its gates owe to the clip.  The networks
called *sum* add their scores up over the frames, as the paper does, where ours take the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.experiments.base import Experiment
from attncourse.experiments.scores import Measured
from attncourse.experiments.spatial_temporal.sta_lstm.variants import (
    cued_variants,
    real_variants,
)
from attncourse.tasks import Task
from attncourse.tasks.cued_joint import CuedJoint
from attncourse.tasks.skeletons import Folds, msr_action3d_task, utkinect_folds
from attncourse.training import Budget, Run

if TYPE_CHECKING:
    from accelerate import Accelerator


def loss(outputs: Tensor | tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    """Cross-entropy, and the penalty of the gates where a network has one."""
    scores, penalty = outputs if isinstance(outputs, tuple) else (outputs, 0.0)
    return F.cross_entropy(scores, targets) + penalty


@dataclass(frozen=True)
class FoldedExperiment(Experiment):
    """An experiment whose task is several splits: a network for each, and all tests counted."""

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
        """Train one network a fold; the run is the last one's, with the time of all."""
        folds = task or self.task()
        if not isinstance(folds, Folds):
            raise TypeError(f"task is a {type(folds).__name__}: this experiment takes Folds")
        items, seconds = [], 0.0
        for fold in folds.folds:
            run, measured = super().measure(
                variant, seed, budget=budget, task=fold, accelerator=accelerator
            )
            assert measured.items is not None
            items.append(measured.items)
            seconds += run.seconds
        run = Run(run.model, run.losses, seconds, run.device)
        return run, Measured.of(torch.cat(items))


_STEPS = 400
_CUED_BUDGET = Budget(steps=_STEPS, batch_size=50, learning_rate=5e-3, clip=1.0)

CUED_JOINT = Experiment(
    name="cued_joint",
    question="Which hand moved up, if only the head says which hand counts?",
    task=CuedJoint,
    variants=cued_variants(_STEPS),
    quick=_CUED_BUDGET,
    full=_CUED_BUDGET,
    data="cued joint, 500 clips for training, 2,000 for testing",
    matters=0.01,
    loss=loss,
)

MORE_CLIPS = Experiment(
    name="cued_joint_2000",
    question="What is left of the gates' advantage with four times as many training clips?",
    task=lambda: CuedJoint(clips=2_000),
    variants=tuple(
        CUED_JOINT.variant(name)
        for name in (
            "plain", "plain, scores × 10", "wider, scores × 10", "static weights", "T", "S",
            "S, scores × 10", "S + T", "plain, sum", "S, sum", "wider, last frame",
            "S, last frame",
        )
    ),
    quick=_CUED_BUDGET,
    full=_CUED_BUDGET,
    data="cued joint, 2,000 clips for training, 2,000 for testing",
    matters=0.01,
    loss=loss,
)  # fmt: skip


_MSR_FRAMES, _UTKINECT_FRAMES, _UTKINECT_STEPS = 24, 20, 250
_MSR_BUDGET = Budget(_STEPS, batch_size=32, learning_rate=5e-3, weight_decay=0.01, clip=1.0)
_UTKINECT_BUDGET = Budget(
    _UTKINECT_STEPS, batch_size=32, learning_rate=5e-3, weight_decay=0.01, clip=1.0
)

MSR_ACTION3D = Experiment(
    name="msr_action3d",
    question="Do the gates help to tell 20 actions of people who were not in training?",
    task=lambda: msr_action3d_task(_MSR_FRAMES),
    variants=real_variants(
        20, 20, _MSR_FRAMES, _STEPS,
        "plain", "wider", "plain, scores × 10", "wider, scores × 10", "static weights",
        "T", "S", "S + T", "joint gates exchanged", "frame gates exchanged",
        "S + static frames", "S, scores × 10", "in turns",
    ),
    quick=_MSR_BUDGET,
    full=_MSR_BUDGET,
    data="MSR Action3D across subjects, 284 clips for training, 273 for testing, 20 actions",
    matters=0.01,
    loss=loss,
)  # fmt: skip

UTKINECT = FoldedExperiment(
    name="utkinect",
    question="Do the gates help to tell 10 actions of the one person who was left out?",
    task=lambda: utkinect_folds(_UTKINECT_FRAMES),
    variants=real_variants(
        20, 10, _UTKINECT_FRAMES, _UTKINECT_STEPS,
        "plain", "wider", "plain, scores × 10", "wider, scores × 10", "static weights",
        "T", "S", "S + T",
        "joint gates exchanged", "S, scores × 10",
    ),
    quick=_UTKINECT_BUDGET,
    full=_UTKINECT_BUDGET,
    data="UTKinect, one of 10 people left out in turn, 199 clips, 10 actions",
    matters=0.01,
    loss=loss,
)  # fmt: skip

EXPERIMENTS = (CUED_JOINT, MORE_CLIPS, MSR_ACTION3D, UTKINECT)
