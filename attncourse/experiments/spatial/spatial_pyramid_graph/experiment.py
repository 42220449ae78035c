"""Experiments on graph reasoning: which operator, what the diagonal and the pyramid bring.

``blobs`` asks every pixel for what all blobs of its kind have in common.  ``scattered`` has the
same pixels in any order, ``difference`` asks for what a pixel does not share with its kind,
``noisy_keys`` makes single pixels hard to compare, and ``decoys`` shows two maps of kinds, of which
the mean of the picture tells the valid one.  ``blobs_longer`` and ``decoys_longer`` have three
times the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.non_local.nets import (
    WIDTH,
    PixelNet,
    SharedContext,
    Window,
)
from attncourse.experiments.spatial.spatial_pyramid_graph.nets import (
    Dilated,
    Doubled,
    FineEdges,
    GatedBefore,
    MeanPyramid,
    Smoothing,
    StaticDiagonal,
    WithoutDiagonal,
    WithoutEdges,
)
from attncourse.spatial import NonLocal, SpatialPyramidGraph
from attncourse.tasks.kindred_blobs import (
    CHANNELS,
    KEY,
    Decoys,
    KindredBlobs,
    answer_loss,
    explained_items,
    noise_explained_items,
)
from attncourse.training import Budget

_BUDGET = Budget(steps=600, batch_size=16, learning_rate=1e-2, weight_decay=0.01, clip=1.0)
_LONGER = replace(_BUDGET, steps=1_800)
Block = Callable[[int], nn.Module]


def net(block: Block, width: int = WIDTH, channels: int = CHANNELS) -> Callable[[], PixelNet]:
    """Pixel by pixel but for the block."""
    return lambda: PixelNet(block, width, channels)


def _graph(*, smoothing: bool, residual: bool) -> Block:
    return lambda c: SpatialPyramidGraph(c, 1, 1, smoothing=smoothing, residual=residual)


def _non_local(c: int) -> nn.Module:
    return NonLocal(c, norm=False)


#: The four operators: name -> role, block, what the comparison shows.
_OPERATORS: dict[str, tuple[str, Block, str]] = {
    "L": (
        "ablation",
        _graph(smoothing=False, residual=False),
        "ReLU of Theta X (I - S), no residual",
    ),
    "x + L": (
        "ablation",
        _graph(smoothing=False, residual=True),
        "the same without the ReLU, and x added",
    ),
    "S": ("ablation", _graph(smoothing=True, residual=False), "the other operator, no residual"),
    "x + S": ("mechanism", Smoothing, "the other operator, and x added"),
}
#: All that may stand in the network.
_BLOCKS: dict[str, tuple[str, Block, str]] = _OPERATORS | {
    "no block": ("plain", lambda c: nn.Identity(), "no pixel hears of another"),
    "one answer": ("ablation", SharedContext, "the same context for all pixels"),
    "7x7 convolution": ("plain", Window, "a window, ten times the parameters"),
    "non-local": ("ablation", _non_local, "a softmax over all pixels"),
    "3 levels": ("mechanism", lambda c: Smoothing(c, 3), "x + S on a pyramid of largest values"),
    "3 levels, means": ("ablation", lambda c: MeanPyramid(c, 3), "a pyramid of means"),
    "no edges": ("plain", WithoutEdges, "the pyramid of means without graphs"),
    "fine edges": ("ablation", FineEdges, "one graph at full size; coarse levels have no edges"),
    "64 features": ("ablation", Doubled, "one level, twice the compared features"),
    "static": ("ablation", StaticDiagonal, "lambda is learned and the same for all pictures"),
    "no diagonal": ("ablation", WithoutDiagonal, "every lambda is one"),
    "gate before": ("ablation", GatedBefore, "a gate from the mean, in front of the graph"),
}


def _on_blobs(
    name: str,
    question: str,
    data: str,
    task: Callable[[], KindredBlobs],
    *blocks: str,
    channels: int = CHANNELS,
    score: Score | None = None,
    more: tuple[Variant, ...] = (),
    budget: Budget = _BUDGET,
) -> Experiment:
    made = []
    for block in blocks:
        role, build, why = _BLOCKS[block]
        made.append(Variant(block, role, net(build, channels=channels), why))
    return Experiment(
        name=name,
        question=question,
        task=task,
        variants=(*made, *more),
        quick=budget,
        full=budget,
        data=data,
        loss=answer_loss,
        score=score or Score(explained_items, bounds=(None, 1.0)),
        metric="share of the variance explained",
        matters=0.02,
    )


BLOBS = _on_blobs(
    "blobs",
    "Can every pixel collect what the scattered blobs of its kind know?",
    "12 blobs of 3 kinds on 12 x 12, keys of this picture alone",
    KindredBlobs,
    "no block", "one answer", "7x7 convolution", "L", "x + L", "S", "x + S", "non-local",
    "no edges", "fine edges", "64 features", "3 levels", "3 levels, means",
    more=(
        Variant(
            "dilated",
            "plain",
            net(Dilated, 2 * WIDTH),
            "convolutions that reach the whole picture, 28 times the parameters",
        ),
    ),
)  # fmt: skip
SCATTERED = _on_blobs(
    "scattered",
    "Who needs that kinds come in blobs?",
    "the same pixels in any order",
    lambda: KindredBlobs(scattered=True),
    "7x7 convolution", "x + S", "non-local",
)  # fmt: skip
DIFFERENCE = _on_blobs(
    "difference",
    "Which operator does it when the difference from the kind is asked for?",
    "12 blobs of 3 kinds, the answer is a pixel's own deviation",
    lambda: KindredBlobs(asks_difference=True),
    "no block", "L", "x + L", "S", "x + S",
    score=Score(noise_explained_items, bounds=(None, 1.0)),
)  # fmt: skip
NOISY_KEYS = _on_blobs(
    "noisy_keys",
    "What does a pyramid bring where single pixels are hard to compare?",
    "12 blobs of 3 kinds, keys with noise of spread 0.8",
    lambda: KindredBlobs(key_noise=0.8),
    "no edges", "7x7 convolution", "x + S", "64 features", "fine edges", "3 levels",
    "3 levels, means", "non-local",
)  # fmt: skip
DECOYS = _on_blobs(
    "decoys",
    "Does a diagonal that looks at the picture switch off keys that mislead?",
    "two maps of kinds; the mean of the picture tells the valid one",
    Decoys,
    "no block", "x + S", "static", "no diagonal", "gate before",
    channels=CHANNELS + KEY + 1,
)  # fmt: skip

BLOBS_LONGER = _on_blobs(
    "blobs_longer",
    "Is L with a residual only slower?",
    "12 blobs of 3 kinds on 12 x 12, three times the steps",
    KindredBlobs,
    "no block", "x + L", "x + S",
    budget=_LONGER,
)  # fmt: skip
DECOYS_LONGER = _on_blobs(
    "decoys_longer",
    "Does the diagonal learn with three times the steps to switch off keys that mislead?",
    "two maps of kinds; the mean of the picture tells the valid one",
    Decoys,
    "no block", "x + S", "static", "no diagonal", "gate before",
    channels=CHANNELS + KEY + 1,
    budget=_LONGER,
)  # fmt: skip

EXPERIMENTS = (BLOBS, SCATTERED, DIFFERENCE, NOISY_KEYS, DECOYS, BLOBS_LONGER, DECOYS_LONGER)
