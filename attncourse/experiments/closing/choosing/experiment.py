"""Seven mechanisms and five rivals in one slot of one network, on several questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.closing.choosing.nets import CANDIDATES, RIVALS, network
from attncourse.experiments.scores import ACCURACY, Score
from attncourse.tasks import Task, beacon, digits_task, rooks, twin
from attncourse.tasks.noisy_copies import NoisyCopies
from attncourse.training import Budget


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
        rate: peak learning rate, the same for all networks.
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
    steps: int = 300
    rate: float = 1e-2

    def experiment(self) -> Experiment:
        """All mechanisms and all rivals on this task."""

        def net(block: Callable | None, **sizes: int) -> Callable:
            return network(self.channels, self.outputs, block, pooled=self.pooled, **sizes)

        rivals = (
            Variant(
                r.name, "plain" if r.name == "plain" else "ablation",
                net(r.block, width=r.width, depth=r.depth), r.why,
            )
            for r in RIVALS
        )  # fmt: skip
        mechanisms = (Variant(c.name, "mechanism", net(c.block), c.label) for c in CANDIDATES)
        budget = Budget(self.steps, 32, self.rate, weight_decay=0.01, clip=1.0)
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
            matters=0.02,
        )


QUESTIONS = (
    Question(
        "copies",
        "Which of eight copies of a digit can be trusted?",
        NoisyCopies,
        8,
        10,
        "noisy copies of scikit-learn digits, 8 x 8",
        pooled=True,
        steps=200,
    ),
    Question(
        "beacon",
        "Can every pixel hear of the one pixel that knows?",
        beacon.Beacon,
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
        rooks.Rooks,
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
        twin.Twins,
        8,
        twin.COLOURS,
        "3 pairs of twins on 8 x 8 cells",
        loss=twin.colour_loss,
        score=Score(twin.explained_items, bounds=(None, 1.0)),
        metric="share of the colours' variance explained",
        steps=600,
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
    ),
)
EXPERIMENTS = tuple(question.experiment() for question in QUESTIONS)
