"""The wing of channel attention on the statistic ladder: which statistic can each gate see?

One experiment for each row.  The networks of a row differ in the gate alone, and a gate is that of
its chapter, with SE's reduction and biases where it has SE's two layers.  The last variant is SE
behind a 1x1 convolution and a ReLU: it says what a learned layer in front of a mean can see.
GaterNet is missing: it is no block, but a second network that sees the whole image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.backbones import TwoStreams
from attncourse.channel import (
    ContextEncoding,
    EfficientChannel,
    GatedChannelTransformation,
    GatherExcite,
    SqueezeExcitation,
    StyleRecalibration,
)
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.frequency_channel import fca
from attncourse.experiments.channel.global_second_order_pooling import gsop
from attncourse.experiments.channel.squeeze_excitation import WHICH_STREAM
from attncourse.experiments.controls import Mixed
from attncourse.tasks import StatisticLadder
from attncourse.tasks.statistic_ladder import ROWS
from attncourse.training import Budget

Gate = Callable[[int], Attention]

#: Stem of a chapter, after a colon which form of it -> its gate of so many channels, in the order
#: of the course.
GATES: dict[str, Gate] = {
    "squeeze_excitation": lambda c: SqueezeExcitation(c, reduction=4),
    "global_second_order_pooling": gsop,
    "style_recalibration": StyleRecalibration,
    "gated_channel_transformation": GatedChannelTransformation,
    "frequency_channel": fca,
    "context_encoding": lambda c: ContextEncoding(c, 8, residual=False),
    "gather_excite": lambda c: GatherExcite(c, 4),
    "gather_excite:θ⁺": lambda c: GatherExcite(c, None, mlp=True, reduction=4, size=(8, 8)),
    "efficient_channel": lambda c: EfficientChannel(c, 3),
}
#: The rival behind them all.
MIXED = "mixed SE"


def _two_streams(gate: Callable[[int], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: TwoStreams(gate)


VARIANTS = (
    WHICH_STREAM.variant("no gate"),
    *(Variant(stem, "mechanism", _two_streams(gate), "") for stem, gate in GATES.items()),
    Variant(MIXED, "plain", _two_streams(Mixed), "SE behind a 1x1 convolution and a ReLU"),
)
EXPERIMENTS = tuple(
    Experiment(
        name=row,
        question=f"Which gates see a cue that is hidden in the row {row!r}?",
        task=lambda row=row: StatisticLadder(row),  # type: ignore[misc]
        variants=VARIANTS,
        quick=Budget(steps=400),
        full=Budget(steps=400),
        data="statistic ladder on scikit-learn digits",
        matters=0.02,
    )
    for row in ROWS
)

#: Channels of the gates whose influences are measured.
_CHANNELS = 16


def influences(gate: Gate, channels: int = _CHANNELS, seed: int = 0) -> Tensor:
    """How much each channel of the input moves each gate, with weights drawn at random.

    Args:
        gate: makes an attention of so many channels.
        channels: how many.
        seed: of the weights and of the images.

    Returns:
        (channels, channels), at [i, j] the sum over pixels of ``|d gate_i / d x_j|``, averaged
        over images, over the largest of the matrix.  Batch norms use the averages of evaluation,
        so that no image moves another one's gates.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = gate(channels).double().eval()
        with torch.no_grad():  # gates that start at a constant are opened
            for parameter in module.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        x = torch.randn(8, channels, 8, 8, dtype=torch.float64).requires_grad_()
    gates = module.g(x)
    rows = [
        torch.autograd.grad(gates[:, i].sum(), x, retain_graph=True)[0].abs().sum((2, 3)).mean(0)
        for i in range(channels)
    ]
    found = torch.stack(rows)
    return found / found.max()


def as_records() -> list[dict[str, object]]:
    """The gates with their influences in percent, for pages that are built without torch.

    A row of a matrix is one line of whole numbers from 0 to 99.
    """
    matrices = {stem: (99 * influences(gate)).round().int() for stem, gate in GATES.items()}
    return [
        {"stem": stem, "influences": [" ".join(map(str, row)) for row in matrix.tolist()]}
        for stem, matrix in matrices.items()
    ]
