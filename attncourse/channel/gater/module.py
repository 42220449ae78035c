r"""GaterNet, a network that chooses the filters of another (Chen et al., 2019;
key ``chen2019gaternet``).

Equations, numbered as in the chapter ``channel/gater``; (4) to (9) stand in ``gates.py``:

.. math::
    O_j^l &= s_j^l\, \delta\bigl(\mathrm{BN}(F_j^l * O^{l-1})\bigr), \qquad O^0 = x     & (1)\\
    z &= W_1 E(x) + b_1                                                                 & (2)\\
    \tau &= W_2\, \delta(\mathrm{BN}(z)) + b_2                                          & (3)

=========  ===========  =====================================================================
symbol     shape        meaning
=========  ===========  =====================================================================
x          b c h w      the image, or what stands in its place
F_j^l      a 3 3        filter j of layer l of the backbone, for a channels of the layer before
E(x)       b c_E        features of the gater: convolutions of stride 2, and a mean
z          b d          the bottleneck
tau        b k          one score for each of the k filters of all layers
s          b k          gates, 0 or 1 in use: the attention g(x)
O^l        b a h w      maps of layer l; those of the last are f(g(x), x)
=========  ===========  =====================================================================

There is no code by the authors.  The definitions are those of one public note on the paper, which
agrees with its abstract; what the note leaves open is chosen here: two convolutions in E, where
the note reports a ResNet of twenty layers; PyTorch's default start for all layers; a coin for each
image in place of exactly one half of the batch.  The backbone is a plain stack of convolutions.
The gate stands behind the ReLU: in front of the normalisation, statistics would mix open and shut
filters, and the normalisation would scale a shut one up again.
In eval mode gates are exactly 0 or 1, without noise; a backward pass still borrows the slope of
the soft gate, so that a network can be tuned with its statistics frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.gater.cost import (
    BOTTLENECK,
    GATER_WIDTHS,
    WIDTHS,
    multiply_adds,
    parameter_count,
)
from attncourse.channel.gater.gates import discretise
from attncourse.channel.squeeze_excitation import scale
from attncourse.layers import accepted, as_affine, check_statistics, is_plain, whole
from attncourse.precision import at_least_single, exact


class Gater(nn.Module):
    """The network that looks first: (b, channels, h, w) to one score for each gate, (b, gates)."""

    def __init__(
        self,
        channels: int,
        gates: int,
        widths: Sequence[int] = GATER_WIDTHS,
        bottleneck: int = BOTTLENECK,
        **factory: Any,
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, padding=1, bias=False, **factory)
            for before, after in pairwise((channels, *widths))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after, **factory) for after in widths)
        self.reduce = nn.Linear(widths[-1], bottleneck, **factory)
        self.norm = nn.BatchNorm1d(bottleneck, **factory)
        self.expand = nn.Linear(bottleneck, gates, **factory)

    def features(self, x: Tensor) -> Tensor:
        """E(x), (b, c_E)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(accepted(conv, x))))
        return x.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Equations (2) and (3)."""
        z = self.norm(self.reduce(accepted(self.reduce, self.features(x))))
        tau: Tensor = self.expand(accepted(self.expand, F.relu(z)))
        return tau.to(at_least_single(tau))


class GaterNet(Attention):
    r"""Look at the image once to choose filters, and a second time with the chosen ones.

    .. math:: O_j^l = s_j^l\, \delta(\mathrm{BN}(F_j^l * O^{l-1})), \qquad
        s = \mathbb{1}\bigl[W_2\, \delta(\mathrm{BN}(W_1 E(x) + b_1)) + b_2 > 0\bigr]

    Source: Chen, Li, Bengio and Si, *You Look Twice: GaterNet for Dynamic Filter Selection in
    CNNs*, CVPR 2019, arXiv 1811.11205, as one public note reports it.

    In training mode normal noise is added to the scores, and by a coin an image gets soft gates
    or hard ones that pass the soft gates' slope back.  In eval mode gates are 0 or 1 and the same
    every time; their backward pass borrows that slope as well.  ``block.skipped(x)`` computes
    only the filters that are on.

    Args:
        channels: number of channels c of the input.
        widths: filters of each layer of the backbone, each with 3 x 3 taps.
        gater_widths: filters of each layer of the gater's own convolutions, all of stride 2.
        bottleneck: width d between the gater's features and its scores.
        noise: spread of the noise in training; the paper's is 1.
        hard: chance that an image gets hard gates in training; the paper's is one half.
        discrete: whether gates are ever hard; if not, soft ones are used everywhere.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, o, h, w)`, o filters in the last layer
        - weights: :math:`(b, k)`, a gate for each filter, layer after layer

    Raises:
        ValueError: if an argument is impossible, if ``x`` does not fit, or if a single image is
            given in training mode, where the bottleneck's normalisation has one value.

    Examples:
        >>> net = GaterNet(3, widths=(16, 32)).eval()
        >>> y, gates = net(torch.rand(2, 3, 8, 8), need_weights=True)
        >>> y.shape, gates.shape, bool(((gates == 0) | (gates == 1)).all())
        (torch.Size([2, 32, 8, 8]), torch.Size([2, 48]), True)
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int] = WIDTHS,
        *,
        gater_widths: Sequence[int] = GATER_WIDTHS,
        bottleneck: int = BOTTLENECK,
        noise: float = 1.0,
        hard: float = 0.5,
        discrete: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        whole(channels=channels, widths=widths, gater_widths=gater_widths, bottleneck=bottleneck)
        for name, sizes in {
            "channels": (channels,), "widths": widths, "gater_widths": gater_widths,
            "bottleneck": (bottleneck,),
        }.items():  # fmt: skip
            if not sizes or min(sizes) < 1:
                shown = sizes[0] if name in ("channels", "bottleneck") else tuple(sizes)
                raise ValueError(f"{name}={shown} must be at least 1 everywhere")
        if not noise >= 0:
            raise ValueError(f"noise={noise} must be at least 0")
        if not 0 <= hard <= 1:
            raise ValueError(f"hard={hard} must be a chance between 0 and 1")
        self.channels, self.widths = channels, tuple(widths)
        self.gater_widths, self.bottleneck = tuple(gater_widths), bottleneck
        self.noise, self.hard, self.discrete = noise, hard, discrete
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False, **factory)
            for before, after in pairwise((channels, *widths))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after, **factory) for after in widths)
        self.gater = Gater(channels, sum(widths), gater_widths, bottleneck, **factory)

    def reset_parameters(self) -> None:
        """Draw every layer anew from PyTorch's default."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d):
                layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w), and enough for statistics."""
        validate_features(x, self.channels)
        norm = getattr(self.gater, "norm", None)
        check_statistics(norm, "gater.norm", x.shape[0], x)

    def g(self, x: Tensor) -> Tensor:
        """The gates, (b, k)."""
        tau = self.gater(x)
        with exact(tau):
            if not self.training:
                return discretise(tau, hard=self.discrete)
            noise = self.noise * torch.randn_like(tau) if self.noise else None
            if not self.discrete:
                return discretise(tau, noise, hard=False)
            coin = torch.rand(len(tau), 1, device=tau.device) < self.hard
            return discretise(tau, noise, coin)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The backbone with the given gates, (b, o, h, w)."""
        parts = weights.split(self.widths, dim=1)
        for conv, norm, gates in zip(self.convs, self.norms, parts, strict=True):
            x = F.relu(norm(conv(accepted(conv, x))))
            x = scale(gates.to(x.dtype), x)
        return x

    def skipped(self, x: Tensor) -> Tensor:
        """What eval mode gives, image after image, with no multiply-add for a filter that is off.

        A filter that is off gives zeros, so that neither it nor the taps that would read it have
        to run.  The kernels of the open ones are gathered for every image.  No slope goes to the
        gater.

        Raises:
            ValueError: in training mode, with soft gates, or where a layer of the backbone is
                hooked or replaced, since its weights are read.
        """
        self.validate(x)
        if self.training or not self.discrete:
            raise ValueError("only gates of 0 and 1 skip anything: call .eval(), discrete=True")
        for conv, norm in zip(self.convs, self.norms, strict=True):
            if not (is_plain(conv, nn.Conv2d) and is_plain(norm, nn.BatchNorm2d)):
                raise ValueError("a layer of the backbone is no plain one: call the module instead")
        gates = self.g(x) > 0
        return torch.cat([self._one(image[None], row) for image, row in zip(x, gates, strict=True)])

    def _one(self, image: Tensor, gates: Tensor) -> Tensor:
        maps, live = image, torch.arange(self.channels, device=image.device)
        for conv, norm, own in zip(self.convs, self.norms, gates.split(self.widths), strict=True):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            on = own.nonzero()[:, 0]
            slope, shift = (part[on, None, None] for part in as_affine(norm))
            if len(live) and len(on):
                weight = conv.weight.index_select(0, on).index_select(1, live)
                maps = F.conv2d(maps, weight, padding=1)
            else:
                maps = maps.new_zeros(1, len(on), *image.shape[2:])
            maps, live = F.relu(maps * slope + shift), on
        y = maps.new_zeros(1, self.widths[-1], *image.shape[2:])
        return y.index_copy(1, live, maps)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        own: dict[str, tuple[Any, Any]] = {
            "widths": (self.widths, WIDTHS), "gater_widths": (self.gater_widths, GATER_WIDTHS),
            "bottleneck": (self.bottleneck, BOTTLENECK), "noise": (self.noise, 1.0),
            "hard": (self.hard, 0.5), "discrete": (self.discrete, True),
        }  # fmt: skip
        differ = [f"{name}={value}" for name, (value, usual) in own.items() if value != usual]
        return ", ".join([str(self.channels), *differ])


CARD = Card(
    stem="gater",
    title="GaterNet",
    category="channel",
    module=GaterNet,
    key="chen2019gaternet",
    authors="Chen, Li, Bengio, Si",
    venue="CVPR",
    year=2019,
    decides="s = 𝟙[W₂ δ(BN(W₁ E(x) + b₁)) + b₂ > 0]",
    applies="O_j = s_j δ(BN(F_j * O))",
    weights="b k",
    parameters=parameter_count,
    parameters_formula="9ΣCC' + 2K + |E| + (E + 3)D + K(D + 1)",
    macs=multiply_adds,
    macs_formula="9HWΣCC' + KHW + MACs(E) + (E + K)D",
    memory="one gate for each filter",
    growth="C",
    drop_in=False,
)
