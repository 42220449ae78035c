"""What rows and columns can tell, what no depth of them can; and whether channels have an order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from attncourse.channel import SqueezeExcitation
from attncourse.channel_spatial import (
    ConvolutionalBlockAttention,
    CoordinateAttention,
    SimpleAttention,
    TripletAttention,
)
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel_spatial.coordinate_attention.nets import (
    MeansGiven,
    RowsAlone,
    Shuffled,
    deep,
    dilated,
    filler,
    neighbours_first,
    ordinary,
    reader,
)
from attncourse.experiments.scores import Score
from attncourse.tasks import fill_the_box
from attncourse.tasks.fill_the_box import FillTheBox, inside_and_out, painted_loss
from attncourse.tasks.rise_or_fall import LEVELS, RiseOrFall
from attncourse.training import Budget

Build = Callable[[], nn.Module]


def _filling(kind: str) -> tuple[Variant, ...]:
    given = FillTheBox(kind).channels

    def net(block: Callable[[int], nn.Module]) -> Build:
        return lambda: filler(given, block)

    return (
        Variant("no block", "plain", net(lambda c: nn.Identity()), "layers of one pixel"),
        Variant("SE", "plain", net(lambda c: SqueezeExcitation(c, 2)), "one mean a channel"),
        Variant("means given", "plain", net(MeansGiven), "the same means, no gate"),
        Variant(
            "ordinary net",
            "plain",
            lambda: dilated(given),
            "sees 15 x 15, no mean, equal parameters",
        ),
        Variant("means given, wide", "plain", net(lambda c: MeansGiven(c, 48)), "made strong"),
        Variant("rows alone", "ablation", net(RowsAlone), "one of the two gates"),
        Variant("coordinate", "mechanism", net(CoordinateAttention), "both"),
        Variant("coordinate, three", "ablation", net(deep), "three blocks in a row"),
        Variant(
            "CBAM", "ablation", net(lambda c: ConvolutionalBlockAttention(c, 2)), "a 7 x 7 kernel"
        ),
        Variant("triplet", "mechanism", net(TripletAttention), "three 7 x 7 kernels"),
        Variant("SimAM", "mechanism", net(SimpleAttention), "one mean and one variance"),
        *_OWN.get(kind, ()),
    )


#: Variants that answer a question about one kind alone.
_OWN = {
    "one": (
        Variant(
            "CBAM, k = 15",
            "ablation",
            lambda: filler(1, lambda c: ConvolutionalBlockAttention(c, 2, kernel_size=15)),
            "a kernel that reaches across the largest box",
        ),
    ),
    "two": (
        Variant(
            "3x3, coordinate", "ablation", neighbours_first, "a 3 x 3 convolution, then two blocks"
        ),
    ),
}
_ASKED = {
    "one": "Can a pixel know that an outline runs around it?",
    "two": "Can it know which of two equal boxes its row and its column belong to?",
    "colours": "Can it, if each box has a channel of its own?",
}
_SHORT = Budget(steps=300, batch_size=16, learning_rate=1e-2, clip=1.0)
_LONG = Budget(steps=1_000, batch_size=16, learning_rate=1e-2, clip=1.0)


def _experiment(
    name: str, kind: str, question: str, variants: tuple[Variant, ...], budget: Budget
) -> Experiment:
    return Experiment(
        name=name,
        question=question,
        task=partial(FillTheBox, kind),
        variants=variants,
        quick=budget,
        full=budget,
        data=f"fill the box: {kind}, 16 x 16",
        loss=painted_loss,
        score=Score(inside_and_out, bounds=(0.0, 1.0)),
        metric="mean share of right pixels",
        matters=0.02,
        learned=0.9,
    )


FILLING = (
    *(_experiment(kind, kind, _ASKED[kind], _filling(kind), _SHORT) for kind in fill_the_box.KINDS),
    _experiment(
        "longer",
        "colours",
        "Do the networks that have the means learn *colours* in 1,000 steps?",
        tuple(
            variant
            for variant in _filling("colours")
            if variant.name in ("means given", "means given, wide", "rows alone", "coordinate")
        ),
        _LONG,
    ),
)

ORDER = Experiment(
    name="order",
    question="Does it matter in which order the channels stand?",
    task=RiseOrFall,
    variants=(
        Variant("SE", "plain", lambda: reader(SqueezeExcitation(LEVELS, 1)), "means of channels"),
        Variant("ordinary net", "plain", lambda: ordinary(2), "a kernel over all channels"),
        Variant(
            "ordinary, shuffled", "plain", lambda: ordinary(2, Shuffled()), "the same, shuffled"
        ),
        Variant("coordinate", "ablation", lambda: reader(CoordinateAttention(LEVELS)), "lines"),
        Variant(
            "CBAM", "ablation", lambda: reader(ConvolutionalBlockAttention(LEVELS, 1)),
            "a kernel over places alone",
        ),
        Variant("triplet", "mechanism", lambda: reader(TripletAttention(LEVELS)), "in order"),
        Variant(
            "triplet, shuffled", "ablation", lambda: reader(Shuffled(), TripletAttention(LEVELS)),
            "in another order for each seed",
        ),
        Variant(
            "triplet, k = 3", "ablation", lambda: reader(TripletAttention(LEVELS, 3)),
            "in order, kernels three wide",
        ),
        Variant(
            "triplet, k = 3, shuffled", "ablation",
            lambda: reader(Shuffled(), TripletAttention(LEVELS, 3)),
            "in another order, kernels three wide",
        ),
        Variant(
            "1x1, triplet, shuffled", "ablation",
            lambda: reader(Shuffled(), nn.Conv2d(LEVELS, LEVELS, 1), TripletAttention(LEVELS)),
            "a layer that can put them in order again",
        ),
    ),
    quick=Budget(steps=400, batch_size=64, learning_rate=1e-2, clip=1.0),
    full=Budget(steps=400, batch_size=64, learning_rate=1e-2, clip=1.0),
    data="rise or fall, 16 levels, 4 x 16",
    matters=0.02,
    learned=0.9,
)  # fmt: skip

EXPERIMENTS = (*FILLING, ORDER)
