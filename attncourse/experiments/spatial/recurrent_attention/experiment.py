"""Experiments on RAM and DRAM: a second look that has to be led by the first.

``cue_and_look`` asks what learns where to look: REINFORCE, or plain backpropagation through the
bilinear sensor with the same noise, each with a wide and with a narrow start; which parts of the
recipe REINFORCE needs; and which of RAM's three differences from DRAM counts: sum or product, one
state or two, fewer parameters or as many.  ``hard_crop`` cuts windows at whole pixels, where the
sensor has no gradient.  ``in_haste`` repeats a part at twice the learning rate, where some seeds
lose a corner.

The learning rate was chosen with seeds 10 to 14, on scenes of training digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.spatial.recurrent_attention.nets import (
    HardCrop,
    HardCropPathwise,
    Pathwise,
    RandomLook,
    StraightThrough,
    WholeImage,
    dram,
    ram,
)
from attncourse.spatial import RecurrentAttention
from attncourse.spatial.recurrent_attention.policy import (
    Baseline,
    Glimpsed,
    expected_reward,
    hybrid_loss,
)
from attncourse.tasks.cue_and_look import CueAndLook
from attncourse.training import Budget

STEPS = 1_500

#: (scores, right classes) -> one reward an image, without gradient.
Reward = Callable[[Tensor, Tensor], Tensor]


class Seen(NamedTuple):
    """What :func:`loss` takes of a :class:`Learner` in training."""

    glimpsed: Glimpsed
    guess: Tensor | None
    fence: float
    reward: Reward


class Learner(nn.Module):
    """A network with glimpses, its baseline, and the schedule of its exploration.

    In training mode the result is what :func:`loss` takes; in eval mode it is the scores.

    Args:
        net: the network.
        start: spread of the sampled locations in the first step.
        end: spread after 70 % of all steps, and from then on.
        baseline: whether the reward is compared with a learned guess.
        fence: weight of the fence around the image.
        reward: what REINFORCE makes larger.
        total: number of steps.
    """

    step: Tensor

    def __init__(
        self,
        net: RecurrentAttention,
        *,
        start: float = 1.5,
        end: float = 0.2,
        baseline: bool = True,
        fence: float = 1.0,
        reward: Reward = expected_reward,
        total: int = STEPS,
    ) -> None:
        super().__init__()
        self.net = net
        self.baseline = Baseline(net.width) if baseline else None
        self.start, self.end, self.total = start, end, total
        self.fence, self.reward = fence, reward
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor | Seen:
        """Scores, or in training all that the loss needs."""
        if not self.training:
            scores: Tensor = self.net(x)
            return scores
        done = min(1.0, float(self.step) / (0.7 * self.total))
        self.net.std = self.start + (self.end - self.start) * done
        self.step += 1
        seen = self.net(x)
        guess = self.baseline(seen.states) if self.baseline else None
        return Seen(seen, guess, self.fence, self.reward)


def loss(output: Tensor | Seen, y: Tensor) -> Tensor:
    """The hybrid loss of a :class:`Learner`, or cross-entropy of plain scores."""
    if isinstance(output, Tensor):
        return F.cross_entropy(output, y)
    seen = output.glimpsed
    reward = output.reward(seen.logits, y)
    return hybrid_loss(seen, y, output.guess, reward=reward, fence_weight=output.fence)


def sampled_hit(logits: Tensor, y: Tensor) -> Tensor:
    """RAM's reward, (b,): 1 where an answer drawn from the softmax is right, else 0."""
    drawn = torch.multinomial(logits.detach().softmax(dim=1), 1)[:, 0]
    return (drawn == y).to(logits.dtype)


def best_hit(logits: Tensor, y: Tensor) -> Tensor:
    """The reward of public code, (b,): 1 where the largest score is that of the right class."""
    return (logits.argmax(dim=1) == y).to(logits.dtype)


def pathwise(kind: type[Pathwise] = Pathwise, **options: Any) -> Learner:
    """Plain backpropagation in place of REINFORCE: no reward, so no baseline."""
    return Learner(dram(kind), baseline=False, **options)


NARROW: dict[str, Any] = {"start": 0.6, "end": 0.15}
WIDER = 172  # RAM's width for DRAM's number of parameters: 88,300 of 88,588

CUE_AND_LOOK = Experiment(
    name="cue_and_look",
    question="Does a network with two small glimpses learn to look where the first one says?",
    task=CueAndLook,
    variants=(
        Variant("whole image", "plain", WholeImage, "a convolutional network that sees it all"),
        Variant("random look", "plain", lambda: Learner(dram(RandomLook)), "no policy"),
        Variant("backprop", "plain", pathwise, "does it take REINFORCE, if the sensor has slopes?"),
        Variant(
            "backprop, narrow start", "plain", lambda: pathwise(**NARROW), "is it the noise, then?"
        ),
        Variant(
            "narrow start",
            "ablation",
            lambda: Learner(dram(), **NARROW),
            "does it need wide exploration?",
        ),
        Variant("no fence", "ablation", lambda: Learner(dram(), fence=0.0), "does it need it?"),
        Variant(
            "no baseline", "ablation", lambda: Learner(dram(), baseline=False), "does it need it?"
        ),
        Variant(
            "reward 0 or 1",
            "ablation",
            lambda: Learner(dram(), reward=sampled_hit),
            "does it need the mean of RAM's reward?",
        ),
        Variant(
            "reward 0 or 1, best answer",
            "ablation",
            lambda: Learner(dram(), reward=best_hit),
            "is it the draw of the answer?",
        ),
        Variant("RAM", "mechanism", lambda: Learner(ram()), "one state, a sum"),
        Variant("RAM, wider", "mechanism", lambda: Learner(ram(WIDER)), "with DRAM's parameters"),
        Variant(
            "RAM, product", "ablation", lambda: Learner(ram(product=True)), "with DRAM's product"
        ),
        Variant(
            "RAM, joint",
            "mechanism",
            lambda: Learner(ram(joint=True)),
            "REINFORCE shapes its one state, too",
        ),
        Variant("DRAM, sum", "ablation", lambda: Learner(dram(product=False)), "with RAM's sum"),
        Variant("DRAM", "mechanism", lambda: Learner(dram()), "two states, a product"),
    ),
    quick=Budget(steps=STEPS, learning_rate=1.5e-3),
    full=Budget(steps=STEPS, learning_rate=1.5e-3),
    data="scikit-learn digits, four to a scene, 1,400 for training, 397 for testing",
    loss=loss,
    matters=0.01,
    learned=0.85,  # a network that never finds one of the corners stays below 80 %
)

HARD_CROP = replace(
    CUE_AND_LOOK,
    name="hard_crop",
    question="What learns where to look if windows are cut at whole pixels?",
    variants=(
        Variant("backprop", "plain", lambda: pathwise(HardCropPathwise), "a step has no slope"),
        Variant(
            "straight-through",
            "ablation",
            lambda: pathwise(StraightThrough),
            "a slope that is made up",
        ),
        Variant("REINFORCE", "mechanism", lambda: Learner(dram(HardCrop)), "needs no slope"),
    ),
)

IN_HASTE = replace(
    CUE_AND_LOOK,
    name="in_haste",
    question="Does learning where to look survive twice the learning rate?",
    variants=tuple(
        CUE_AND_LOOK.variant(name)
        for name in (
            "whole image",
            "no baseline",
            "RAM",
            "RAM, joint",
            "DRAM",
        )
    ),
    quick=Budget(steps=STEPS, learning_rate=3e-3),
    full=Budget(steps=STEPS, learning_rate=3e-3),
)

EXPERIMENTS = (CUE_AND_LOOK, HARD_CROP, IN_HASTE)
