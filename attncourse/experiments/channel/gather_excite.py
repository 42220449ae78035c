"""An experiment on Gather-Excite: copies of a digit that are covered region by region.

``local_corruption`` covers quadrants.  It varies the extent of the gate, takes the learned gather
apart (mean and scale, no normalisation, no parameters), and turns the layer in front of the gate
without parameters round, since nothing else can tell it which way to open.
Beside them stand the rivals: SE, gates for every position by an ordinary 3 x 3 convolution, of one
channel or of all, ordinary CNNs that see all copies, and a reader of single copies that votes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.backbones import AveragedCopies
from attncourse.channel import GatherExcite, SqueezeExcitation
from attncourse.channel.gather_excite import excite, gather_mean
from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.channel.style_recalibration import Votes, cnn
from attncourse.tasks.local_corruption import LocalCorruption
from attncourse.training import Budget

#: Where the factor in front of a turned gate starts.
TURNED = -4.0


class Affine(nn.Module):
    """A learned factor and shift of each channel: the least that a layer before a gate can be.

    Args:
        channels: number of channels.
        factor: where the factor starts; the shift starts at zero.
    """

    def __init__(self, channels: int, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((channels, 1, 1), factor))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``factor * x + shift``."""
        return self.factor * x + self.shift


class ScaledMean(nn.Module):
    """Means, normalised, scaled and shifted for each channel: theta without learned kernels.

    It has 2 parameters a channel.

    Args:
        channels: number of channels.
        extent: side of a cell.
        own: average a cell over itself, not over the window around its first position.
        factor: where the scale starts if nothing is normalised.
    """

    def __init__(
        self, channels: int, extent: int, *, own: bool = False, factor: float | None = None
    ) -> None:
        super().__init__()
        self.extent, self.own = extent, own
        self.norm = nn.BatchNorm2d(channels) if factor is None else Affine(channels, factor)

    def forward(self, x: Tensor) -> Tensor:
        """``sigmoid(norm(mean)) * x``."""
        z = F.avg_pool2d(x, self.extent) if self.own else gather_mean(x, self.extent)
        return excite(torch.sigmoid(self.norm(z)), x)


class ConvolvedGate(nn.Module):
    """A gate for every position by one 3 x 3 convolution, a normalisation and a sigmoid.

    Args:
        channels: number of channels.
        groups: ``channels`` for a depthwise convolution, 1 for all channels.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``sigmoid(norm(conv(x))) * x``."""
        return torch.sigmoid(self.norm(self.conv(x))) * x


def cnn_3x3(copies: int = 8, maps: int = 24) -> nn.Sequential:
    """Two 3 x 3 convolutions over the copies with a ReLU between, and the same reader."""
    reader = AveragedCopies(lambda channels: nn.Identity(), copies=1)
    first = nn.Conv2d(copies, maps, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(maps, 1, 3, padding=1), reader)


def _behind_affine(
    gate: Callable[[int], nn.Module], factor: float = 1.0
) -> Callable[[], nn.Module]:
    return lambda: AveragedCopies(lambda c: nn.Sequential(Affine(c, factor), gate(c)))


def _mean(extent: int | None) -> Callable[[int], nn.Module]:
    return lambda c: GatherExcite(c, extent, learned=False)


def _theta(extent: int) -> Callable[[int], nn.Module]:
    return lambda c: GatherExcite(c, extent)


BUDGET = Budget(steps=500, learning_rate=2e-2)


LOCAL_CORRUPTION = Experiment(
    name="local_corruption",
    question="What does it take to leave out the covered quadrants of a copy and keep the others?",
    task=LocalCorruption,
    variants=(
        Variant(
            "no gate",
            "plain",
            _behind_affine(lambda c: nn.Identity()),
            "the plain average of the copies",
        ),
        Variant(
            "SE",
            "plain",
            _behind_affine(lambda c: SqueezeExcitation(c, 2)),
            "one gate for a whole copy",
        ),
        Variant("votes", "plain", Votes, "a reader that looks at every copy by itself"),
        Variant(
            "CNN",
            "plain",
            lambda: cnn(maps=96),
            "1x1 convolutions that see all copies of a position",
        ),
        Variant("CNN, 3x3", "plain", cnn_3x3, "an ordinary network that sees neighbours as well"),
        Variant(
            "3x3 gate",
            "plain",
            _behind_affine(lambda c: ConvolvedGate(c, c)),
            "a gate for every position, from its own channel",
        ),
        Variant(
            "3x3 gate, all channels",
            "plain",
            _behind_affine(lambda c: ConvolvedGate(c, 1)),
            "a gate for every position that sees all copies: the strongest rival with a gate",
        ),
        Variant(
            "θ⁻, e = 4",
            "mechanism",
            _behind_affine(_mean(4)),
            "the gate without parameters, as it starts",
        ),
        Variant(
            "θ⁻, e = 4, times 4",
            "ablation",
            _behind_affine(_mean(4), -TURNED),
            "the factor starts as large as when turned, with the other sign",
        ),
        Variant(
            "θ⁻, e = 4, turned",
            "ablation",
            _behind_affine(_mean(4), TURNED),
            "the same gate behind a factor that starts at -4",
        ),
        Variant(
            "θ⁻, global, turned",
            "ablation",
            _behind_affine(_mean(None), TURNED),
            "turned, with one gate for a copy",
        ),
        Variant(
            "mean, scaled, e = 4",
            "ablation",
            _behind_affine(lambda c: ScaledMean(c, 4)),
            "θ with the plain mean in the place of its kernels",
        ),
        Variant(
            "own mean, scaled, e = 4",
            "ablation",
            _behind_affine(lambda c: ScaledMean(c, 4, own=True)),
            "the same over the cell itself, which no window of the mechanism is",
        ),
        Variant(
            "θ, global",
            "ablation",
            _behind_affine(lambda c: GatherExcite(c, None, size=(8, 8))),
            "one kernel of the size of the map",
        ),
        Variant("θ, e = 8", "mechanism", _behind_affine(_theta(8)), "one cell for the whole copy"),
        Variant("θ, e = 2", "mechanism", _behind_affine(_theta(2)), "cells of half the side"),
        Variant(
            "θ, e = 4, no norm",
            "ablation",
            _behind_affine(lambda c: GatherExcite(c, 4, norm=False)),
            "biases in the place of the normalisations",
        ),
        Variant(
            "θ⁺, e = 4",
            "mechanism",
            _behind_affine(lambda c: GatherExcite(c, 4, mlp=True, reduction=2)),
            "with SE's layers between gather and sigmoid",
        ),
        Variant(
            "θ, e = 4", "mechanism", _behind_affine(_theta(4)), "the mechanism at the regions' size"
        ),
    ),
    quick=BUDGET,
    full=BUDGET,
    data="copies of scikit-learn digits, covered region by region",
    matters=0.01,
)

SIGNS = Experiment(
    name="signs",
    question="Does training turn the sign of a gate, and what helps it?",
    task=LocalCorruption,
    variants=(
        LOCAL_CORRUPTION.variant("no gate"),
        Variant(
            "θ⁻, e = 4, from -1",
            "ablation",
            _behind_affine(_mean(4), -1.0),
            "turned, and no larger than it starts",
        ),
        Variant(
            "scale alone, from +1",
            "ablation",
            _behind_affine(lambda c: ScaledMean(c, 4, factor=1.0)),
            "a learned scale behind the mean, without a normalisation",
        ),
        Variant(
            "scale alone, from 0",
            "ablation",
            _behind_affine(lambda c: ScaledMean(c, 4, factor=0.0)),
            "the same, with gates that are constant at first",
        ),
        LOCAL_CORRUPTION.variant("θ, e = 4"),
    ),
    quick=BUDGET,
    full=BUDGET,
    data="copies of scikit-learn digits, covered region by region",
    matters=0.01,
)

EXPERIMENTS = (LOCAL_CORRUPTION, SIGNS)
