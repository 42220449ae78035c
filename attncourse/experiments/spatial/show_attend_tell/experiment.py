"""Experiments on hard and soft attention: who reads a grid of digits in order, and where it looks.

``read_the_grid`` trains one decoder with different contexts: the mean, the flattened map, the soft
map, and the drawn one with its cures; it shuts the ways around the map, takes away what tells a
place, and adds the doubly stochastic penalty and the scalar beta.  ``where_it_looks`` and
``how_sharply`` score the same trained networks by their maps.

The recipe was fixed with seed 10, on grids of training digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.experiments.base import Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.show_attend_tell.nets import (
    FlatContext,
    Learner,
    MeanContext,
    Ready,
    StraightThrough,
)
from attncourse.experiments.trained_once import TrainedOnce
from attncourse.spatial.show_attend_tell import Told, hard_loss, soft_loss
from attncourse.spatial.show_attend_tell.policy import word_losses
from attncourse.tasks.read_the_grid import ReadTheGrid, cells_in_order
from attncourse.training import Budget

STEPS = 350


def loss(output: Ready, caption: Tensor) -> Tensor:
    """The decoder is told the right words, and pays for its own; (12) for draws, (14) for means."""
    learner = output.learner
    told = learner.decoder.tell(output.annotations, caption)
    if not learner.decoder.hard:
        return soft_loss(told, caption, coverage=learner.coverage)
    guess = learner.baseline(told.states) if learner.baseline else None
    rewards = -word_losses(told, caption) if learner.log_reward else None
    return hard_loss(told, caption, guess, rewards=rewards, entropy_weight=learner.entropy)


def told_of(model: nn.Module, x: Tensor) -> Told:
    """What a trained learner says and where it looks, on the processor."""
    assert isinstance(model, Learner)
    device = next(model.parameters()).device
    model.eval()
    parts = [model.told(part.to(device)) for part in x.split(500)]
    return Told(*(torch.cat([p.cpu() for p in column]) for column in zip(*parts, strict=True)))


def words_right(model: nn.Module, x: Tensor, caption: Tensor) -> Tensor:
    """Which words are right, one number for each word of the test set."""
    return (told_of(model, x).logits.argmax(dim=2) == caption).flatten().double()


def looks_right(model: nn.Module, x: Tensor, caption: Tensor) -> Tensor:
    """For which words the largest weight lies on the cell of the digit that is to be said."""
    cells = cells_in_order(x, caption.shape[1])
    return (told_of(model, x).log_weights.argmax(dim=2) == cells).flatten().double()


def weight_right(model: nn.Module, x: Tensor, caption: Tensor) -> Tensor:
    """The weight on the cell of the digit that is to be said, for each word."""
    cells = cells_in_order(x, caption.shape[1])
    maps = told_of(model, x).log_weights.exp()
    return maps.gather(2, cells[:, :, None]).flatten().double()


def _learner(*arguments: Any, **options: Any) -> Callable[[], Learner]:
    return lambda: Learner(*arguments, **options)


MEAN = Variant("mean", "plain", _learner(MeanContext), "one context for all words")
FLAT = Variant("flattened map", "plain", _learner(FlatContext), "the whole map, with its places")
SOFT = Variant("soft", "mechanism", _learner(), "the expectation, by backpropagation")
HARD = Variant("hard", "mechanism", _learner(hard=True), "a draw, by REINFORCE")
MIXED = Variant(
    "hard, mixed", "mechanism", _learner(hard=True, mix=0.5), "half of all maps stay the mean"
)
WARM = Variant(
    "hard, warm start", "mechanism", _learner(hard=True, soft_steps=STEPS // 2), "soft at first"
)
THROUGH = Variant(
    "hard, straight-through",
    "ablation",
    _learner(StraightThrough, hard=True),
    "a made-up slope in place of REINFORCE",
)
SHUT = Variant(
    "hard, ways shut",
    "ablation",
    _learner(hard=True, padding="apart", blank=True),
    "a blank start, and cells that see themselves alone: no way around the map",
)
SPREAD = Variant(
    "hard, more entropy", "ablation", _learner(hard=True, entropy=0.2), "does it settle too soon?"
)
LOGS = Variant(
    "hard, reward ln p", "ablation", _learner(hard=True, log_reward=True), "is it our reward?"
)
READER = Variant(
    "hard, reader first",
    "ablation",
    _learner(hard=True, soft_steps=STEPS // 2, forget=True),
    "the warm start, and then a scorer that is drawn anew: all is trained but the map",
)
AGAIN = Variant(
    "soft, scorer anew",
    "ablation",
    _learner(soft_steps=STEPS // 2, forget=True),
    "the same for the mean: is there time enough for a new scorer?",
)
PLACES = (
    Variant(
        "soft, no place", "ablation", _learner(padding="circular", table=False),
        "a wrapped map and no table: nothing tells a place",
    ),
    Variant(
        "soft, no table", "ablation", _learner(table=False), "zero padding alone marks the border"
    ),
    Variant(
        "soft, wrapped", "ablation", _learner(padding="circular"), "the table alone tells a place"
    ),
)  # fmt: skip
PENALTY = Variant("soft, penalty", "ablation", _learner(coverage=1.0), "the paper's weight, 1")
BETA = Variant("soft, beta", "ablation", _learner(gate=True), "the scalar on the context")

_BUDGET = Budget(steps=STEPS, batch_size=64, learning_rate=5e-3)
READ_THE_GRID = TrainedOnce(
    name="read_the_grid",
    question="Does a decoder that looks anew for each word read three digits in order?",
    task=ReadTheGrid,
    variants=(
        MEAN, FLAT, SOFT, HARD, MIXED, WARM, THROUGH, READER, AGAIN, SHUT, SPREAD, LOGS,
        *PLACES,
        PENALTY, BETA,
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data="three scikit-learn digits in nine cells, 1,400 for training, 397 for testing",
    loss=loss,
    score=Score(words_right, bounds=(0.0, 1.0)),
    metric="share of words that are right",
    matters=0.01,
)  # fmt: skip

WHERE_IT_LOOKS = replace(
    READ_THE_GRID,
    name="where_it_looks",
    question="Does the largest weight lie on the digit that is being said?",
    variants=(
        MEAN, SOFT, HARD, MIXED, WARM, THROUGH, READER, AGAIN, SHUT, SPREAD, LOGS,
        *PLACES, PENALTY, BETA
    ),
    score=Score(looks_right, bounds=(0.0, 1.0)),
    metric="share of words looked at in the right cell",
    matters=0.02,
    learned=0.9,
)  # fmt: skip

HOW_SHARPLY = replace(
    WHERE_IT_LOOKS,
    name="how_sharply",
    question="How much of its weight does a soft map give to that digit?",
    variants=(MEAN, SOFT, PENALTY, BETA),
    score=Score(weight_right, bounds=(0.0, 1.0)),
    metric="weight on the right cell",
    learned=None,
)

EXPERIMENTS = (READ_THE_GRID, WHERE_IT_LOOKS, HOW_SHARPLY)
