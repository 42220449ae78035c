"""Experiments on RAM and DRAM: a second look that has to be led by the first.

``cue_and_look`` asks what learns where to look: REINFORCE, or plain backpropagation through the
bilinear sensor with the same noise, each with a wide and with a narrow start; and which parts of
the recipe REINFORCE needs.  ``hard_crop`` cuts windows at
whole pixels, where the sensor has no gradient.  ``in_haste`` repeats a part at twice the learning
rate, where some seeds lose a corner.

The learning rate was chosen with seeds 10 to 14, on scenes of training digits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.spatial import RecurrentAttention
from attncourse.spatial.recurrent_attention.policy import Baseline, Glimpsed, hybrid_loss
from attncourse.spatial.recurrent_attention.sensor import read_glimpse
from attncourse.tasks.cue_and_look import CueAndLook
from attncourse.training import Budget

STEPS = 1_500


class Seen(NamedTuple):
    """What :func:`loss` takes of a :class:`Learner` in training."""

    glimpsed: Glimpsed
    guess: Tensor | None
    fence: float


class RandomLook(RecurrentAttention):
    """The same network with a second look anywhere, in training and in testing."""

    def decide(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A place drawn uniformly from the image."""
        place = 2 * torch.rand(state.shape[0], 2, device=state.device) - 1
        return place, torch.zeros_like(place), state.new_zeros(state.shape[0])


class Pathwise(RecurrentAttention):
    """The same network with the same noise, and no cut between a sample and its mean.

    The loss reaches the policy by ordinary backpropagation: through the sample, the sensor and
    *where*.
    """

    def decide(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A sample that is a function of its mean; its density has no part in the loss."""
        mean = self.emit(state)
        noise = self.std * torch.randn_like(mean) if self.training else 0.0
        return (mean + noise).clamp(-1, 1), mean, mean.new_zeros(mean.shape[0])


class HardCrop(RecurrentAttention):
    """Windows are cut at whole pixels: a step function of the location."""

    def look(self, x: Tensor, location: Tensor) -> Tensor:
        """What is seen and where, both at the nearest whole pixel."""
        return super().look(x, whole_pixels(x, location, self.glimpse))


class HardCropPathwise(HardCrop, Pathwise):
    """A hard crop, and backpropagation through it: its gradient is zero."""


class StraightThrough(Pathwise):
    """A hard crop that backpropagation takes for a bilinear reading of the place it was drawn at.

    Values are those of the crop at whole pixels; the slopes of window and place are made up.
    """

    def look(self, x: Tensor, location: Tensor) -> Tensor:
        """Equation (3) of the hard crop, with the derivatives of a reading between pixels."""
        place = whole_pixels(x, location, self.glimpse)
        smooth = read_glimpse(x, location, self.glimpse, self.scales)
        pixels = smooth + (read_glimpse(x, place, self.glimpse, self.scales) - smooth).detach()
        what = self.what_out(F.relu(self.what_in(pixels.flatten(1))))
        place = location + (place - location).detach()
        where = self.where_out(F.relu(self.where_in(place)))
        return F.relu(what) * F.relu(where)


def whole_pixels(x: Tensor, location: Tensor, size: int) -> Tensor:
    """The nearest location whose window of ``size`` covers whole pixels of ``x``."""
    lengths = location.new_tensor([x.shape[3], x.shape[2]])
    reach = (lengths - size).clamp(min=1) / 2
    half = (lengths - size) / 2 % 1  # an odd remainder puts whole pixels half a step off
    return ((location * reach + half).round() - half) / reach


class Learner(nn.Module):
    """A network with glimpses, its baseline, and the schedule of its exploration.

    In training mode the result is what :func:`loss` takes; in eval mode it is the scores.

    Args:
        net: the network.
        start: spread of the sampled locations in the first step.
        end: spread after 70 % of all steps, and from then on.
        baseline: whether the reward is compared with a learned guess.
        fence: weight of the fence around the image.
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
        total: int = STEPS,
    ) -> None:
        super().__init__()
        self.net = net
        self.baseline = Baseline(net.width) if baseline else None
        self.start, self.end, self.fence, self.total = start, end, fence, total
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
        return Seen(seen, guess, self.fence)


class WholeImage(nn.Module):
    """A small convolutional network that reads every pixel.

    Shape:
        - x: (b, 1, side, side)
        - y: (b, 10)
    """

    def __init__(self, side: int = 20) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.hidden = nn.Linear(16 * (side // 4) ** 2, 128)
        self.classify = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Two convolutions with pooling, two layers."""
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        scores: Tensor = self.classify(F.relu(self.hidden(x.flatten(1))))
        return scores


def loss(output: Tensor | Seen, y: Tensor) -> Tensor:
    """The hybrid loss of a :class:`Learner`, or cross-entropy of plain scores."""
    if isinstance(output, Tensor):
        return F.cross_entropy(output, y)
    return hybrid_loss(output.glimpsed, y, output.guess, fence_weight=output.fence)


def sampled_hit(logits: Tensor, y: Tensor) -> Tensor:
    """RAM's reward, (b,): 1 where an answer drawn from the softmax is right, else 0."""
    drawn = torch.multinomial(logits.detach().softmax(dim=1), 1)[:, 0]
    return (drawn == y).to(logits.dtype)


def dram(kind: type[RecurrentAttention] = RecurrentAttention, **options: Any) -> RecurrentAttention:
    """DRAM's recurrence: what times where, a state that reads and one that decides."""
    return kind(1, steps=2, features=64, **{"width": 128, **options})


def ram(**options: Any) -> RecurrentAttention:
    """RAM's recurrence: what plus where, one state."""
    return dram(**{"product": False, "layers": 1, **options})


def pathwise(kind: type[Pathwise] = Pathwise, **options: Any) -> Learner:
    """Plain backpropagation in place of REINFORCE: no reward, so no baseline."""
    return Learner(dram(kind), baseline=False, **options)


NARROW: dict[str, Any] = {"start": 0.6, "end": 0.15}

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
        Variant("RAM", "mechanism", lambda: Learner(ram()), "one state, a sum"),
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
        CUE_AND_LOOK.variant(name) for name in ("whole image", "no baseline", "RAM", "DRAM")
    ),
    quick=Budget(steps=STEPS, learning_rate=3e-3),
    full=Budget(steps=STEPS, learning_rate=3e-3),
)

EXPERIMENTS = (CUE_AND_LOOK, HARD_CROP, IN_HASTE)
