"""Experiments on the global context block: its pooling, its fusion, and its reason.

``needle`` asks for a number at one position of 256: what does a weighted mean see that a mean
does not, and what does an ordinary network see?
``which_stream`` is the task of the chapter on SE, where one digit has to be silenced: addition
against multiplication, attention against average.
``twin`` is the task of the chapter on the non-local block, where queries differ; ``digits`` is
plain classification.  In both a trained non-local block is also used with one map for all: the
mean of its maps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.backbones import TwoStreams
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.squeeze_excitation import WHICH_STREAM as OF_SE
from attncourse.experiments.scores import Score
from attncourse.experiments.small_digits import reader, small_digits
from attncourse.experiments.spatial.non_local import NO_BLOCK, NON_LOCAL
from attncourse.experiments.spatial.non_local import TWIN as OF_NON_LOCAL
from attncourse.experiments.spatial.non_local.nets import pixel_net
from attncourse.spatial import GlobalContext, NonLocal
from attncourse.spatial.global_context import pooled
from attncourse.tasks import StatisticLadder
from attncourse.tasks.needle import CHANNELS, NeedleAverage, explained_items
from attncourse.training import Budget


class ContextReader(nn.Module):
    """A linear layer on the context (4) of a global context block, without its transform.

    Args:
        pooling: that of the block.
        trained: whether the scores learn.

    Shape:
        - x: (b, 4, h, w)
        - answer: (b, 1)
    """

    def __init__(self, pooling: str, *, trained: bool = True) -> None:
        super().__init__()
        block = GlobalContext(CHANNELS, 1, pooling=pooling)
        block.add = None
        self.block = block.requires_grad_(trained)
        self.read = nn.Linear(CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The answer that the context gives."""
        return self.read(pooled(self.block.g(x), x))


class PointwiseReader(nn.Module):
    """Layers that see one position each, then a plain mean: no attention.

    Args:
        width: channels of every layer.
        depth: how many layers.
    """

    def __init__(self, width: int, depth: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside in [CHANNELS] + [width] * (depth - 1):
            layers += [nn.Conv2d(inside, width, 1), nn.ReLU()]
        self.look = nn.Sequential(*layers)
        self.read = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The answer that the mean of what each position says gives, made 16 times as loud."""
        return self.read(16 * self.look(x).mean(dim=(2, 3)))


class OneMapInUse(NonLocal):
    """Trained as a non-local block; in eval mode every query is given the mean of all maps."""

    def g(self, x: Tensor) -> Tensor:
        """A, (b, n, m); in eval mode its rows are equal."""
        weights = super().g(x)
        if self.training:
            return weights
        return weights.mean(dim=1, keepdim=True).expand_as(weights)

    def attend(self, x: Tensor) -> Tensor:
        """In eval mode through the maps."""
        return super().attend(x) if self.training else self.f(self.g(x), x)


NEEDLE = Experiment(
    name="needle",
    question="Can a mean over 256 positions bring the number that stands at one of them?",
    task=NeedleAverage,
    variants=(
        Variant("average", "plain", lambda: ContextReader("average"), "at most 1/256 is left"),
        Variant(
            "pointwise net",
            "plain",
            lambda: PointwiseReader(8),
            "an ordinary layer of eight units at each position, then the plain mean",
        ),
        Variant(
            "deep pointwise net",
            "plain",
            lambda: PointwiseReader(32, 2),
            "two layers of 32: the strongest rival",
        ),
        Variant(
            "untrained scores",
            "ablation",
            lambda: ContextReader("attention", trained=False),
            "weights, but random ones",
        ),
        Variant("attention", "mechanism", lambda: ContextReader("attention"), "the mechanism"),
    ),
    quick=Budget(steps=600, batch_size=128, learning_rate=0.1, clip=1.0),
    full=Budget(steps=600, batch_size=128, learning_rate=0.1, clip=1.0),
    data="needle average, 16 x 16",
    loss=F.mse_loss,
    score=Score(explained_items, bounds=(None, 1.0)),
    metric="share of the answers' variance explained",
    matters=0.02,
)


def _streams(*, rectify: bool = False, **options: str) -> Callable[[], nn.Module]:
    def block(channels: int) -> nn.Module:
        made = GlobalContext(channels, 4, **options)  # type: ignore[arg-type]
        return nn.Sequential(made, nn.ReLU()) if rectify else made

    return lambda: TwoStreams(block)


WHICH_STREAM = Experiment(
    name="which_stream",
    question="Must the context multiply, or is it enough to add it?",
    task=lambda: StatisticLadder("mean"),
    variants=(
        OF_SE.variant("no gate"),
        OF_SE.variant("SE"),
        Variant("added", "mechanism", _streams(), "GCNet's own fusion"),
        Variant(
            "added, average",
            "ablation",
            _streams(pooling="average"),
            "the same with every weight 1/64",
        ),
        Variant(
            "added, then ReLU",
            "mechanism",
            _streams(rectify=True),
            "what follows it in a residual network can silence a channel",
        ),
        Variant("multiplied", "mechanism", _streams(fusion="multiply"), "SE's fusion"),
        Variant(
            "multiplied, average",
            "ablation",
            _streams(fusion="multiply", pooling="average"),
            "SE with a layer normalisation in its bottleneck",
        ),
        Variant("both", "mechanism", _streams(fusion="both"), "two transforms of one context"),
    ),
    quick=OF_SE.quick,
    full=OF_SE.full,
    data=OF_SE.data,
    matters=0.01,
)

TWIN = replace(
    OF_NON_LOCAL,
    name="twin",
    question="What is left of a trained non-local block if all queries are given one map?",
    variants=(
        NO_BLOCK,
        Variant(
            "global context",
            "mechanism",
            pixel_net(lambda channels: GlobalContext(channels, 2)),
            "one map for all from the first step on",
        ),
        Variant(
            "one map in use",
            "ablation",
            pixel_net(lambda channels: OneMapInUse(channels, norm=False)),
            "trained as a non-local block, then the mean of its maps for all queries",
        ),
        replace(NON_LOCAL, role="plain", why="a map for each query"),
    ),
)

DIGITS = small_digits(
    "Does a global context help a small residual network to read real digits?",
    Variant("plain", "plain", reader(), "no block"),
    Variant("non-local", "plain", reader(NonLocal), "a map for each query"),
    Variant(
        "one map in use",
        "ablation",
        reader(OneMapInUse),
        "trained as a non-local block, then the mean of its maps for all queries",
    ),
    Variant(
        "average",
        "ablation",
        reader(lambda c: GlobalContext(c, 4, pooling="average")),
        "every position counts alike",
    ),
    Variant(
        "multiplied",
        "ablation",
        reader(lambda c: GlobalContext(c, 4, fusion="multiply")),
        "the context multiplies",
    ),
    Variant("global context", "mechanism", reader(lambda c: GlobalContext(c, 4)), "the mechanism"),
)

EXPERIMENTS = (NEEDLE, WHICH_STREAM, TWIN, DIGITS)
