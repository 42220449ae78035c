"""Experiments on the non-local block: one built for it, and those that take it apart.

``find_your_twin`` asks each position for a colour that one other position holds.  ``longer`` gives
its strongest rival, one map for all, more channels and steps.  ``two_pairs`` and ``six_pairs``
move the ceiling 1/K of one answer for all; ``six_pairs_third`` shows as few queries a step as two
pairs do.  ``forms`` trains the other pairwise functions and settings with the same budget.
``digits`` is plain classification, where nothing was arranged; so is ``cifar10``,
which wants a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from attncourse.backbones import SmallResNet
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.photographs import WIDTHS, photograph_net, photographs
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.non_local.nets import (
    WIDTH,
    AuthorsSettings,
    FrozenQueries,
    LeakyConcatenation,
    PixelNet,
    SharedContext,
    Window,
    pixel_net,
)
from attncourse.spatial import NonLocal
from attncourse.tasks import digits_task
from attncourse.tasks.twin import Twins, colour_loss, explained_items
from attncourse.training import Budget

_BUDGET = Budget(steps=300, batch_size=64, learning_rate=1e-2, weight_decay=0.01, clip=1.0)


def _form(mode: str, *, scale: bool = False) -> Callable[[], PixelNet]:
    return pixel_net(lambda channels: NonLocal(channels, mode=mode, scale=scale, norm=False))


NO_BLOCK = Variant(
    "no block", "plain", pixel_net(lambda channels: nn.Identity()), "no position hears of another"
)
WINDOW = Variant(
    "7x7 convolution", "plain", pixel_net(Window), "is it the reach, or the parameters?"
)
CONTEXT = Variant(
    "global context", "ablation", pixel_net(SharedContext), "one learned map for all queries"
)
FROZEN = Variant(
    "frozen queries", "ablation", pixel_net(FrozenQueries), "the block, but nobody asks anything"
)
NON_LOCAL = Variant("non-local", "mechanism", _form("embedded_gaussian"), "the mechanism")


def on_twins(
    name: str,
    question: str,
    task: Callable[[], Twins],
    data: str,
    *variants: Variant,
    budget: Budget,
    learned: float | None = None,
) -> Experiment:
    """An experiment on twins of any kind: queries are asked for a colour, and R² is the score."""
    return Experiment(
        name=name,
        question=question,
        task=task,
        variants=variants,
        quick=budget,
        full=budget,
        data=data,
        loss=colour_loss,
        score=Score(explained_items, bounds=(None, 1.0)),
        metric="share of the colours' variance explained",
        matters=0.02,
        learned=learned,
    )


def _twins(
    name: str,
    question: str,
    pairs: int,
    *variants: Variant,
    side: int = 8,
    budget: Budget = _BUDGET,
    learned: float | None = None,
) -> Experiment:
    return on_twins(
        name,
        question,
        lambda: Twins(pairs, side),
        f"find your twin, {pairs} pairs on {side} x {side}",
        *variants,
        budget=budget,
        learned=learned,
    )


TWIN = _twins(
    "find_your_twin",
    "Can a position fetch a colour from the one cell that carries its identity?",
    3,
    NO_BLOCK,
    WINDOW,
    CONTEXT,
    FROZEN,
    NON_LOCAL,
)

TWO_PAIRS = _twins(
    "two_pairs", "Does one map for all stop at 1/2 with two pairs?", 2, NO_BLOCK, CONTEXT, NON_LOCAL
)
SIX_PAIRS = _twins(
    "six_pairs", "Does one map for all stop at 1/6 with six pairs?", 6, NO_BLOCK, CONTEXT, NON_LOCAL
)

LONGER = _twins(
    "longer",
    "Does a network with one map for all stay at 1/3 when it is wider and trained for longer?",
    3,
    NO_BLOCK,
    replace(WINDOW, why="an ordinary network that hears every cell"),
    CONTEXT,
    Variant(
        "wide global context",
        "ablation",
        lambda: PixelNet(SharedContext, 4 * WIDTH),
        "four times the channels in every layer",
    ),
    NON_LOCAL,
    side=4,
    budget=replace(_BUDGET, steps=1_500, learning_rate=3e-3),
)

SIX_THIRD = _twins(
    "six_pairs_third",
    "Do two pairs lag because a batch of them holds a third of the queries that six pairs give?",
    6,
    NO_BLOCK,
    CONTEXT,
    NON_LOCAL,
    budget=replace(_BUDGET, batch_size=21),
)

FORMS = _twins(
    "forms",
    "Do the four pairwise functions learn the twin task equally fast?",
    3,
    NO_BLOCK,
    NON_LOCAL,
    Variant(
        "scaled",
        "ablation",
        _form("embedded_gaussian", scale=True),
        "logits over the root of d",
    ),
    Variant("Gaussian", "ablation", _form("gaussian"), "no embeddings of its own"),
    Variant("dot product", "ablation", _form("dot_product"), "no softmax"),
    Variant("concatenation", "ablation", _form("concatenation"), "a ReLU of a sum"),
    Variant(
        "leaky concatenation",
        "ablation",
        pixel_net(LeakyConcatenation),
        "does the ReLU fall silent?",
    ),
    Variant("normalised", "ablation", pixel_net(NonLocal), "batch normalisation, as in the paper"),
    Variant(
        "authors' settings", "ablation", pixel_net(AuthorsSettings), "scaled, pooled, normalised"
    ),
    learned=0.05,  # a seed that never starts explains nothing
)

DIGITS = Experiment(
    name="digits",
    question="Does a non-local block help a small residual network to read real digits?",
    task=digits_task,
    variants=(
        Variant("plain", "plain", SmallResNet, "no block"),
        Variant(
            "wider",
            "plain",
            lambda: SmallResNet(widths=(17, 35, 68)),
            "the block's parameters, no block",
        ),
        Variant(
            "frozen queries",
            "ablation",
            lambda: SmallResNet(attention=lambda channels: FrozenQueries(channels, norm=True)),
            "the block, but nobody asks anything",
        ),
        Variant(
            "non-local",
            "mechanism",
            lambda: SmallResNet(attention=NonLocal),
            "the mechanism",
        ),
    ),
    quick=Budget(steps=220, learning_rate=5e-3),
    full=Budget(steps=220, learning_rate=5e-3),
    data="scikit-learn digits, 1,400 for training, 397 for testing",
    matters=0.005,
)


def _on_third_map(block: Callable[[int], nn.Module]) -> Callable[[], SmallResNet]:
    """One block in the network: on the third of four maps, 8 x 8."""

    def third(width: int) -> nn.Module:
        return block(width) if width == WIDTHS[2] else nn.Identity()

    return lambda: photograph_net(third)


CIFAR10 = photographs(
    "Does a non-local block help a residual network to tell photographs apart?",
    Variant("plain", "plain", photograph_net, "no block"),
    Variant(
        "wider",
        "plain",
        lambda: photograph_net(widths=(*WIDTHS[:3], 523)),
        "the block's parameters, no block",
    ),
    Variant(
        "global context",
        "ablation",
        _on_third_map(SharedContext),
        "one learned map for all queries",
    ),
    Variant("non-local", "mechanism", _on_third_map(NonLocal), "the mechanism"),
)

EXPERIMENTS = (TWIN, LONGER, TWO_PAIRS, SIX_PAIRS, SIX_THIRD, FORMS, DIGITS)
LARGE = (CIFAR10,)
