"""In turn or side by side, with which statistics, and what each branch of scSE can tell.

``negative`` and ``smear`` ask for a gate that is judged from what the other one left: first the
channels, or first the positions.  ``peak``, ``mean`` and ``either`` ask what channels are judged
by.  ``stain`` and ``either-or`` ask for the whole picture, and for each pixel by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from attncourse.channel import SqueezeExcitation
from attncourse.channel_spatial import (
    BottleneckAttention,
    ConcurrentSqueezeExcitation,
    ConvolutionalBlockAttention,
)
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel_spatial.convolutional_block_attention.nets import (
    Believer,
    MeanOfReLU,
    Multiplied,
    OfOnePixel,
    OfStatistics,
    OneGate,
    OwnLayers,
    Payer,
    ResidualReLU,
    ordinary,
    per_pixel,
)
from attncourse.experiments.scores import Score
from attncourse.tasks import markers, stain, whom_to_believe
from attncourse.tasks.markers import Markers
from attncourse.tasks.stain import Stain, asked_loss, right_pixels
from attncourse.tasks.whom_to_believe import WhomToBelieve
from attncourse.training import Budget

Build = Callable[[], nn.Module]


def _cbam(channels: int, **options: str) -> nn.Module:
    return ConvolutionalBlockAttention(channels, 1, **options)  # type: ignore[arg-type]


def _believing(kind: str) -> tuple[Variant, ...]:
    c = WhomToBelieve(kind).channels
    first = "channels first" if kind == "negative" else "positions first"

    def made(block: Callable[[int], nn.Module]) -> Build:
        return lambda: Believer(block(c))

    def of_order(order: str, why: str) -> Variant:
        role = "mechanism" if order == first else "ablation"
        return Variant(order, role, made(partial(_cbam, order=order)), why)

    return (
        Variant("SE", "plain", made(lambda c: SqueezeExcitation(c, 1)), "channels alone"),
        Variant("ordinary net", "plain", lambda: ordinary(c, 6), "no gate, equal parameters"),
        Variant("wide net", "plain", lambda: ordinary(c, 32), "the same, made strong"),
        of_order("channels first", "CBAM"),
        of_order("positions first", "CBAM the other way round"),
        of_order("parallel", "both gates of CBAM are judged from the input"),
        Variant(
            "CBAM twice", "mechanism", made(lambda c: nn.Sequential(_cbam(c), _cbam(c))),
            "channels, positions, channels, positions",
        ),
        Variant("BAM", "ablation", made(lambda c: BottleneckAttention(c, 1)), "side by side"),
        Variant(
            "scSE", "ablation", made(lambda c: ConcurrentSqueezeExcitation(c, 1)), "side by side"
        ),
        Variant("BAM, 1x1", "ablation", made(lambda c: OfOnePixel(c, 1)), "no reach"),
        Variant("cSE x sSE", "ablation", made(lambda c: Multiplied(c, 1)), "scSE, multiplied"),
    )  # fmt: skip


_ASKED = {
    "negative": "Can the channel that tells be found first, and then its places?",
    "smear": "Can the places to trust be found first, and then the channel?",
}
BELIEVING = tuple(
    Experiment(
        name=kind,
        question=_ASKED[kind],
        task=partial(WhomToBelieve, kind),
        variants=_believing(kind),
        quick=Budget(steps=600, batch_size=64, learning_rate=3e-2, clip=1.0),
        full=Budget(steps=600, batch_size=64, learning_rate=3e-2, clip=1.0),
        data=f"whom to believe: {kind}, 8 x 8",
        matters=0.02,
        learned=0.9,
    )
    for kind in whom_to_believe.KINDS
)

STATISTICS = tuple(
    Experiment(
        name=kind,
        question=f"Which statistic finds the marker: {kind}?",
        task=partial(Markers, kind),
        variants=(
            Variant("no gate", "plain", lambda: Payer(None), "four signs"),
            Variant("ordinary net", "plain", lambda: ordinary(8, 9), "no gate, more parameters"),
            Variant("mean", "ablation", lambda: Payer(OfStatistics("mean")), "SE's statistic"),
            Variant("max", "ablation", lambda: Payer(OfStatistics("max")), "the other one"),
            Variant(
                "mean of ReLU", "plain", lambda: Payer(MeanOfReLU()), "SE behind an ordinary layer"
            ),
            Variant("own layers", "ablation", lambda: Payer(OwnLayers()), "nothing shared"),
            Variant(
                "own layers, half", "ablation", lambda: Payer(OwnLayers(4)),
                "nothing shared, about as many parameters as shared",
            ),
            Variant("both", "mechanism", lambda: Payer(OfStatistics("both")), "CBAM's"),
        ),
        quick=Budget(steps=600, batch_size=64, learning_rate=3e-2, clip=1.0),
        full=Budget(steps=600, batch_size=64, learning_rate=3e-2, clip=1.0),
        data=f"markers: {kind}, 8 x 8",
        matters=0.02,
    )
    for kind in markers.KINDS
)  # fmt: skip


def _staining(kind: str) -> tuple[Variant, ...]:
    c, bent = Stain(kind).channels, kind == "stain"

    def net(block: Callable[[int], nn.Module]) -> Build:
        return lambda: per_pixel(c, block(16), 16, bent=bent)

    return (
        Variant("no block", "plain", net(lambda c: nn.Identity()), "layers of one pixel"),
        Variant("ReLU layer", "plain", net(ResidualReLU), "an ordinary layer, no gate"),
        Variant("sSE", "ablation", net(lambda c: OneGate(c, "positions")), "positions alone"),
        Variant("cSE", "ablation", net(lambda c: OneGate(c, "channels")), "channels alone"),
        Variant("scSE", "mechanism", net(ConcurrentSqueezeExcitation), "both, added"),
        Variant("CBAM", "mechanism", net(lambda c: _cbam(c)), "in turn"),
        Variant("BAM", "mechanism", net(lambda c: BottleneckAttention(c, 2)), "one gate for both"),
    )


_SPOTS = {
    "stain": "Can a pixel hear what the whole picture says?",
    "either-or": "Can a pixel that sees two numbers say whether exactly one is positive?",
}
BRANCHES = tuple(
    Experiment(
        name=kind,
        question=_SPOTS[kind],
        task=partial(Stain, kind),
        variants=_staining(kind),
        quick=Budget(steps=300, batch_size=32, learning_rate=1e-2, clip=1.0),
        full=Budget(steps=300, batch_size=32, learning_rate=1e-2, clip=1.0),
        data=f"{kind}, 8 x 8",
        loss=asked_loss,
        score=Score(right_pixels, bounds=(0.0, 1.0)),
        metric="share of right pixels",
        matters=0.02,
    )
    for kind in stain.KINDS
)

#: Recorded; the two kinds of markers apart are for the curious.
EXPERIMENTS = (*BELIEVING, STATISTICS[-1], *BRANCHES)
