"""Experiments on STA-LSTM: a task that needs the joint gate, and two sets of real skeletons.

Every network is the same LSTM with or without gates.  Beside the mechanism stand a plain LSTM with
at least as many parameters, weights that do not look at the clip, and the trained mechanism tested
with the gates of other clips: what it then loses is what its gates owe to the clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Measured
from attncourse.experiments.spatial_temporal.sta_lstm.nets import (
    Exchanged,
    InTurns,
    Louder,
    Penalised,
    StaticFrames,
    StaticWeights,
)
from attncourse.spatial_temporal import SpatioTemporalLSTM
from attncourse.tasks import Task
from attncourse.tasks.cued_joint import JOINTS, CuedJoint
from attncourse.tasks.skeletons import Folds, msr_action3d_task, utkinect_folds
from attncourse.training import Budget, Run

if TYPE_CHECKING:
    from accelerate import Accelerator

Build = Callable[[], SpatioTemporalLSTM]


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


def _net(joints: int, classes: int, hidden: int, **options: Any) -> Build:
    return lambda: SpatioTemporalLSTM(joints, classes, hidden=hidden, gate_hidden=32, **options)


def _plain(joints: int, classes: int, hidden: int) -> Build:
    return _net(joints, classes, hidden, where=False, when=False)


def _cued(hidden: int = 32, **options: Any) -> Build:
    return _net(len(JOINTS), 2, hidden, **options)


_STEPS = 400
_CUED_BUDGET = Budget(steps=_STEPS, batch_size=50, learning_rate=5e-3, clip=1.0)

CUED_JOINT = Experiment(
    name="cued_joint",
    question="Which hand moved up, if only the head says which hand counts?",
    task=CuedJoint,
    variants=(
        Variant("plain", "plain", _cued(where=False, when=False), "no gate"),
        Variant(
            "wider", "plain", _cued(69, where=False, when=False), "S + T's parameters, no gate"
        ),
        Variant(
            "plain, scores × 10",
            "plain",
            lambda: Louder(len(JOINTS), 2, hidden=32, where=False),
            "no gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "static weights",
            "ablation",
            lambda: StaticWeights(len(JOINTS), 2, CuedJoint().frames, hidden=32),
            "weights of joints and frames that do not look at the clip",
        ),
        Variant("T", "mechanism", _cued(where=False), "the frame gate alone"),
        Variant("S", "mechanism", _cued(when=False), "the joint gate alone"),
        Variant("S + T", "mechanism", _cued(), "both gates, trained together"),
        Variant(
            "joint gates exchanged",
            "ablation",
            lambda: Exchanged(_cued()(), joints="another clip"),
            "S + T, tested with the joint gates of another clip",
        ),
        Variant(
            "frame gates exchanged",
            "ablation",
            lambda: Exchanged(_cued()(), frames="another clip"),
            "S + T, tested with the frame gates of another clip",
        ),
        Variant(
            "S + static frames",
            "ablation",
            lambda: StaticFrames(len(JOINTS), 2, CuedJoint().frames, hidden=32, gate_hidden=32),
            "the joint gate, and one weight for each frame that does not look at the clip",
        ),
        Variant(
            "S, scores × 10",
            "ablation",
            lambda: Louder(len(JOINTS), 2, hidden=32, gate_hidden=32),
            "the joint gate, and scores as large as the frame gate makes them",
        ),
        Variant("without K", "ablation", _cued(rescale=False), "the input shrinks to 1/K"),
        Variant(
            "λ₁ = 0.1",
            "ablation",
            lambda: Penalised(_cued()(), lambda1=0.1),
            "the joint gates are pulled towards even ones",
        ),
        Variant(
            "in turns",
            "ablation",
            lambda: InTurns(_cued()(), _STEPS),
            "the gates learn alternately, the main network always",
        ),
        Variant(
            "in stages",
            "ablation",
            lambda: InTurns(_cued()(), _STEPS, "staged"),
            "the frame gate learns first, then the joint gate, then both",
        ),
    ),
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
    variants=tuple(CUED_JOINT.variant(name) for name in ("plain", "static weights", "S + T")),
    quick=_CUED_BUDGET,
    full=_CUED_BUDGET,
    data="cued joint, 2,000 clips for training, 2,000 for testing",
    matters=0.01,
    loss=loss,
)


def _real(joints: int, classes: int, frames: int, steps: int, *chosen: str) -> tuple[Variant, ...]:
    """The variants called ``chosen``, for real skeletons."""
    both = _net(joints, classes, 64)
    variants = (
        Variant("plain", "plain", _plain(joints, classes, 64), "no gate"),
        Variant("wider", "plain", _plain(joints, classes, 96), "S + T's parameters, no gate"),
        Variant(
            "plain, scores × 10",
            "plain",
            lambda: Louder(joints, classes, hidden=64, where=False),
            "no gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "static weights",
            "ablation",
            lambda: StaticWeights(joints, classes, frames, hidden=64),
            "weights of joints and frames that do not look at the clip",
        ),
        Variant("T", "mechanism", _net(joints, classes, 64, where=False), "the frame gate alone"),
        Variant("S", "mechanism", _net(joints, classes, 64, when=False), "the joint gate alone"),
        Variant("S + T", "mechanism", both, "both gates, trained together"),
        Variant(
            "joint gates exchanged",
            "ablation",
            lambda: Exchanged(both(), joints="another clip"),
            "S + T, tested with the joint gates of another clip",
        ),
        Variant(
            "frame gates exchanged",
            "ablation",
            lambda: Exchanged(both(), frames="another clip"),
            "S + T, tested with the frame gates of another clip",
        ),
        Variant(
            "S + static frames",
            "ablation",
            lambda: StaticFrames(joints, classes, frames, hidden=64, gate_hidden=32),
            "the joint gate, and one weight for each frame that does not look at the clip",
        ),
        Variant(
            "S, scores × 10",
            "ablation",
            lambda: Louder(joints, classes, hidden=64, gate_hidden=32),
            "the joint gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "in turns",
            "ablation",
            lambda: InTurns(both(), steps),
            "the gates learn alternately, the main network always",
        ),
    )
    return tuple(v for v in variants if v.name in chosen or not chosen)


_MSR_FRAMES, _UTKINECT_FRAMES, _UTKINECT_STEPS = 24, 20, 250
_MSR_BUDGET = Budget(_STEPS, batch_size=32, learning_rate=5e-3, weight_decay=0.01, clip=1.0)
_UTKINECT_BUDGET = Budget(
    _UTKINECT_STEPS, batch_size=32, learning_rate=5e-3, weight_decay=0.01, clip=1.0
)

MSR_ACTION3D = Experiment(
    name="msr_action3d",
    question="Do the gates help to tell 20 actions of people who were not in training?",
    task=lambda: msr_action3d_task(_MSR_FRAMES),
    variants=_real(20, 20, _MSR_FRAMES, _STEPS),
    quick=_MSR_BUDGET,
    full=_MSR_BUDGET,
    data="MSR Action3D across subjects, 284 clips for training, 273 for testing, 20 actions",
    matters=0.01,
    loss=loss,
)

UTKINECT = FoldedExperiment(
    name="utkinect",
    question="Do the gates help to tell 10 actions of the one person who was left out?",
    task=lambda: utkinect_folds(_UTKINECT_FRAMES),
    variants=_real(
        20, 10, _UTKINECT_FRAMES, _UTKINECT_STEPS,
        "plain", "wider", "plain, scores × 10", "static weights", "T", "S", "S + T",
        "joint gates exchanged", "S, scores × 10",
    ),
    quick=_UTKINECT_BUDGET,
    full=_UTKINECT_BUDGET,
    data="UTKinect, one of 10 people left out in turn, 199 clips, 10 actions",
    matters=0.01,
    loss=loss,
)  # fmt: skip

EXPERIMENTS = (CUED_JOINT, MORE_CLIPS, MSR_ACTION3D, UTKINECT)
