"""Experiments on RSTAN: follow a chain of frames that name each other.

``follow_the_chain`` scores the second and the third digit, for which the frame to be read is named
in the frame before.  ``where_it_looks`` scores the same trained networks by their weights of
frames, and ``further_on`` by what they say if they go on for three steps more than in training.

The recipe was fixed with seeds 10 and 11 and another test set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.experiments.base import Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial_temporal.rstan.nets import (
    STEPS,
    Clock,
    Even,
    EvenFrames,
    EvenPlaces,
    Follower,
    Hops,
    Layers,
    Reader,
)
from attncourse.experiments.trained_once import TrainedOnce
from attncourse.spatial_temporal.rstan import Told
from attncourse.tasks.base import Units, answers_of
from attncourse.tasks.follow_chain import FollowChain, chain_of
from attncourse.training import Budget


def loss(scores: Tensor, digits: Tensor) -> Tensor:
    """Cross-entropy of the digit of every step, averaged."""
    return F.cross_entropy(scores.flatten(0, 1), digits.flatten())


@torch.no_grad()
def told_of(model: nn.Module, x: Tensor, steps: int | None = None) -> Told:
    """What a trained follower says and where it looks, on the processor."""
    assert isinstance(model, Follower)
    device = next(model.parameters()).device
    model.eval()
    parts = [
        model.network.tell(model.features(part.to(device)), steps=steps) for part in x.split(500)
    ]
    return Told(*(torch.cat([p.cpu() for p in column]) for column in zip(*parts, strict=True)))


def looks_of(model: nn.Module, x: Tensor, steps: int = STEPS) -> Tensor:
    """For which steps the largest frame weight lies on the frame whose turn it is, (b, steps)."""
    looked = told_of(model, x, steps).gamma.argmax(dim=2)
    return looked == chain_of(x)[:, :steps]


def _digits(first: int, last: int) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    def right(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        said = answers_of(model, x, 500).argmax(dim=2)
        return (said[:, first:last] == y[:, first:last]).flatten().double()

    return right


@torch.no_grad()
def _further(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    if isinstance(model, Hops):
        device = next(model.parameters()).device
        model.eval()
        told = torch.cat([model(p.to(device), y.shape[1]).cpu() for p in x.split(500)])
    else:
        told = told_of(model, x, y.shape[1]).scores
    said = told.argmax(dim=2)
    return (said[:, STEPS:] == y[:, STEPS:]).flatten().double()


def _looks(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return looks_of(model, x)[:, 1:].flatten().double()


def _score(items: Callable[[nn.Module, Tensor, Tensor], Tensor], first: int, last: int) -> Score:
    def units(task: FollowChain) -> Units:
        return task.units_from(first, last)

    return Score(items, bounds=(0.0, 1.0), units=units)


def _follower(*arguments: Any, **options: Any) -> Callable[[], Follower]:
    return lambda: Follower(*arguments, **options)


EVEN = Variant("mean", "plain", _follower(Even), "the mean of all places of all frames")
READER = Variant("reader", "plain", Reader, "an LSTM that reads all frames, three times over")
LAYERS = Variant(
    "self-attention", "plain", Layers, "three layers in which all places look at each other"
)
HOPS = Variant(
    "hops", "plain", Hops, "one token that looks at all places three times, with the same weights"
)
RSTAN = Variant("RSTAN", "mechanism", _follower(), "places and frames, asked for by the state")
FLAT = Variant(
    "flat", "mechanism", _follower(flat=True, hidden=96), "one softmax, and a scorer twice as wide"
)
CLOCK = Variant(
    "clock", "ablation", _follower(Clock), "asked for by the number of the step, not by the state"
)
FRAMES = Variant(
    "frames alone", "ablation", _follower(EvenPlaces), "all places of a frame weigh the same"
)
PLACES = Variant("places alone", "ablation", _follower(EvenFrames), "all frames weigh the same")

_BUDGET = Budget(steps=800, batch_size=64, learning_rate=5e-3, weight_decay=0.01, clip=1.0)
FOLLOW_THE_CHAIN = TrainedOnce(
    name="follow_the_chain",
    question="Who reads the frames that each frame before has named?",
    task=FollowChain,
    variants=(EVEN, READER, LAYERS, HOPS, PLACES, FRAMES, CLOCK, RSTAN, FLAT),
    quick=_BUDGET,
    full=_BUDGET,
    data="six frames of four scikit-learn digits, 1,400 for training, 397 for testing",
    loss=loss,
    score=_score(_digits(1, STEPS), 1, STEPS),
    metric="share of second and third digits that are right",
    matters=0.02,
    learned=0.8,
)

WHERE_IT_LOOKS = replace(
    FOLLOW_THE_CHAIN,
    name="where_it_looks",
    question="Does the largest weight lie on the frame whose turn it is?",
    variants=(EVEN, FRAMES, CLOCK, RSTAN, FLAT),
    score=_score(_looks, 1, STEPS),
    metric="share of second and third steps with the largest weight on the right frame",
)

FURTHER_ON = replace(
    FOLLOW_THE_CHAIN,
    name="further_on",
    question="Trained for three steps, what does it say at steps four to six?",
    variants=(EVEN, HOPS, PLACES, FRAMES, RSTAN, FLAT),
    score=_score(_further, STEPS, 2 * STEPS),
    metric="share of fourth to sixth digits that are right",
    learned=None,
)

#: Those that share trained networks stand first, so that one process trains them once.
EXPERIMENTS = (WHERE_IT_LOOKS, FURTHER_ON, FOLLOW_THE_CHAIN)
