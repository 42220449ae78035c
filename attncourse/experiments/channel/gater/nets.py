"""The networks of the experiments on GaterNet, and what stands in the place of its gater."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.channel.gater import Gater, GaterNet, share_on
from attncourse.channel.squeeze_excitation import SqueezeExcitation

#: Filters of the three layers of the backbone: 48 gates.
WIDTHS = (16, 16, 16)
GATES = sum(WIDTHS)
#: A gater too weak to read digits well by itself.
WEAK: dict[str, Any] = {"gater_widths": (2, 4), "bottleneck": 4}

# ---------------------------------------------------------------- what decides about the filters


class AllOn(GaterNet):
    """No gater: every filter is on, and the backbone is an ordinary network."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.gater

    def g(self, x: Tensor) -> Tensor:
        """Ones."""
        return x.new_ones(len(x), sum(self.widths))


class Excited(AllOn):
    """All filters on, and SE's gates behind each layer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.excite = nn.ModuleList(SqueezeExcitation(width, 4) for width in self.widths)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The backbone with SE."""
        del weights
        for conv, norm, excite in zip(self.convs, self.norms, self.excite, strict=True):
            x = excite(F.relu(norm(conv(x))))
        return x


class StaticMask(GaterNet):
    """Scores that are learned and the same for all images, made into gates as GaterNet's are."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        gates = sum(self.widths)
        self.gater = SameScores(gates)  # type: ignore[assignment]


class SameScores(nn.Module):
    """A score for each gate that sees no image."""

    def __init__(self, gates: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(gates))

    def forward(self, x: Tensor) -> Tensor:
        """The same row for every image, (b, gates)."""
        return self.scores.expand(len(x), -1)


class Another(GaterNet):
    """Each image gets the gates that were made for another of its batch, in training too."""

    def g(self, x: Tensor) -> Tensor:
        """The gates of the image before."""
        return super().g(x).roll(1, dims=0)


class SigmoidGates(GaterNet):
    """Gates of a plain sigmoid, without noise and without a threshold: none is ever off."""

    def g(self, x: Tensor) -> Tensor:
        """Numbers between 0 and 1."""
        return torch.sigmoid(self.gater(x))


# ---------------------------------------------------------------- networks


class FilterNet(nn.Module):
    """A backbone whose filters are gated, an average over 2 x 2 places, and a readout.

    Args:
        kind: what decides about the filters.
        widths: filters of the three layers.
        penalty: weight lambda of the share of gates that are on.
        options: for ``kind``.

    Shape:
        - x: (b, 1, 8, 8)
        - logits: (b, 10), and in training the penalty beside them, a number
    """

    def __init__(
        self,
        kind: type[GaterNet] = GaterNet,
        *,
        widths: Sequence[int] = WIDTHS,
        penalty: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.net, self.penalty = kind(1, widths, **options), penalty
        self.readout = nn.Linear(4 * widths[-1], 10)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits, and in training the penalty that :func:`loss` adds."""
        gates = self.net.g(x)
        logits = self.read(gates, x)
        return (logits, self.penalty * share_on(gates)) if self.training else logits

    def read(self, gates: Tensor, x: Tensor) -> Tensor:
        """Logits of the images ``x`` under the given gates."""
        y: Tensor = self.readout(F.avg_pool2d(self.net.f(gates, x), 4).flatten(1))
        return y


class GaterAlone(nn.Module):
    """The gater as a classifier: it answers at once, and no second look follows."""

    def __init__(self, widths: Sequence[int] = (8, 16), bottleneck: int = 16) -> None:
        super().__init__()
        self.gater = Gater(1, 10, widths, bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        scores: Tensor = self.gater(x)
        return scores


def loss(outputs: Tensor | tuple[Tensor, Tensor], y: Tensor) -> Tensor:
    """Equation (10): cross-entropy, and the penalty where there is one."""
    if isinstance(outputs, Tensor):
        return F.cross_entropy(outputs, y)
    logits, penalty = outputs
    return F.cross_entropy(logits, y) + penalty


def gated(penalty: float, **options: Any) -> Callable[[], nn.Module]:
    """GaterNet in the backbone of the experiments."""
    return partial(FilterNet, penalty=penalty, **options)


def ordinary(*widths: int) -> Callable[[], nn.Module]:
    """An ordinary network with so many filters."""
    return partial(FilterNet, AllOn, widths=widths)
