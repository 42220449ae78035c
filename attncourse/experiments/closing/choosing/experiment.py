"""Sixteen mechanisms and six rivals in one slot of one network, on several questions.

Every network has a learning rate of its own on every question, found in the same way for all:
``rates.py``.  The test data are drawn anew, so that no trial has seen them, but for the digits,
of which there are no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.closing.choosing.nets import CANDIDATES, RIVALS, network
from attncourse.experiments.closing.choosing.rates import RATES
from attncourse.experiments.scores import ACCURACY, Score
from attncourse.tasks import Task, beacon, digits_task, rooks, twin
from attncourse.tasks.noisy_copies import NoisyCopies
from attncourse.training import Budget


class FreshCopies(NoisyCopies):
    """Noisy copies with other test examples."""

    test_seed: ClassVar[int] = 46_001


class FreshBeacon(beacon.Beacon):
    """The beacon with other test images."""

    test_seed: ClassVar[int] = 46_002


class FreshRooks(rooks.Rooks):
    """Rooks with other test boards."""

    test_seed: ClassVar[int] = 46_003


class FreshTwins(twin.Twins):
    """Twins with other test images."""

    test_seed: ClassVar[int] = 46_004


@dataclass(frozen=True)
class Question:
    """A task as the one network meets it.

    Attributes:
        name: of the experiment.
        asks: what the experiment asks, as a sentence.
        task: makes the task.
        channels: of the images.
        outputs: numbers that are asked for.
        data: for the record.
        pooled: one answer for the image.
        loss: as of an experiment.
        score: as of an experiment.
        metric: as of an experiment.
        steps: optimiser steps.
        matters: the least difference that would matter, stated before the runs.
    """

    name: str
    asks: str
    task: Callable[[], Task]
    channels: int
    outputs: int
    data: str
    pooled: bool = False
    loss: Callable[..., Tensor] = F.cross_entropy
    score: Score = ACCURACY
    metric: str = "test accuracy"
    steps: int = 400
    matters: float = 0.02

    def experiment(self) -> Experiment:
        """All mechanisms and all rivals on this task."""

        def net(block: Callable | None, **sizes: int) -> Callable:
            return network(self.channels, self.outputs, block, pooled=self.pooled, **sizes)

        rates = RATES.get(self.name, {})
        rivals = (
            Variant(
                r.name, "plain" if r.name == "plain" else "ablation",
                net(r.block, width=r.width, depth=r.depth), r.why, rates.get(r.name),
            )
            for r in RIVALS
        )  # fmt: skip
        mechanisms = (
            Variant(c.name, "mechanism", net(c.block), c.label, rates.get(c.name))
            for c in CANDIDATES
        )
        budget = Budget(self.steps, 32, weight_decay=0.01, clip=1.0)
        return Experiment(
            name=self.name,
            question=self.asks,
            task=self.task,
            variants=(*rivals, *mechanisms),
            quick=budget,
            full=budget,
            data=self.data,
            loss=self.loss,
            score=self.score,
            metric=self.metric,
            matters=self.matters,
        )


QUESTIONS = (
    Question(
        "copies",
        "Which of eight copies of a digit can be trusted?",
        FreshCopies,
        8,
        10,
        "noisy copies of scikit-learn digits, 8 x 8",
        pooled=True,
        steps=600,
    ),
    Question(
        "beacon",
        "Can every pixel hear of the one pixel that knows?",
        FreshBeacon,
        beacon.CHANNELS,
        1,
        "one beacon on 12 x 12 pixels, every test image with both signs",
        loss=beacon.sign_loss,
        score=Score(beacon.right_share, bounds=(0.0, 1.0)),
        metric="share of right pixels",
        steps=200,
    ),
    Question(
        "rooks",
        "Does a cell know the rooks of its own row and column?",
        FreshRooks,
        rooks.CHANNELS,
        twin.COLOURS,
        "eight rooks on 8 x 8 cells",
        loss=twin.colour_loss,
        score=Score(rooks.explained_items, bounds=(None, 1.0)),
        metric="share of the answers' variance explained",
    ),
    Question(
        "twins",
        "Does a cell find the one cell that looks like it?",
        FreshTwins,
        8,
        twin.COLOURS,
        "3 pairs of twins on 8 x 8 cells",
        loss=twin.colour_loss,
        score=Score(twin.explained_items, bounds=(None, 1.0)),
        metric="share of the colours' variance explained",
        steps=1_800,
    ),
    Question(
        "digits",
        "Which digit is it? Nothing is arranged.",
        digits_task,
        1,
        10,
        "scikit-learn digits, 1,400 for training, 397 for testing",
        pooled=True,
        steps=200,
        matters=0.005,
    ),
)
EXPERIMENTS = tuple(question.experiment() for question in QUESTIONS)
