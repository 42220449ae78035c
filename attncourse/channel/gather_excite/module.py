r"""Gather-Excite (Hu, Shen, Albanie, Sun and Vedaldi, 2018; key ``hu2018genet``).

Equations, numbered as in the chapter ``channel/gather_excite``:

.. math::
    z_{c,p,q} &= \frac{1}{|R_{p,q}|} \sum_{(i,j) \in R_{p,q}} x_{c,i,j}, \qquad
        R_{p,q} = \{(i, j) : |i - e p| < e,\; |j - e q| < e\}                    & (1)\\
    s &= \sigma(z)                                                               & (2)\\
    y_{c,i,j} &= s_{c,\,\lfloor i P / H \rfloor,\,\lfloor j Q / W \rfloor}\, x_{c,i,j}  & (3)\\
    z &= B_k\, w_k * \bigl( \cdots \delta (B_1\, w_1 * x) \bigr), \qquad e = 2^k & (5)\\
    s &= \sigma\bigl(W_2\, \delta(W_1\, \delta(z) + b_1) + b_2\bigr)             & (7)

========  ===========  ====================================================================
symbol    shape        meaning
========  ===========  ====================================================================
x         b c h w      input features
e                      extent: one gate for e x e positions; the whole map if it is global
z         b c P Q      what is gathered, P = ceil(h / e) and Q = ceil(w / e)
w         c 1 3 3      depthwise kernels of stride 2, or one of the size of the map
B                      batch normalisation after each of them
W1, W2    d c, c d     SE's two layers, at each cell; d = c // r
s         b c P Q      gates in (0, 1): the attention g(x)
y         b c h w      gated features f(g(x), x)
========  ===========  ====================================================================

(1) to (3) are the parameter-free form, theta minus; (5) in the place of (1) is theta; (7) in the
place of (2) as well is theta plus.  Without anything learned in the gather, (7) is
``s = sigmoid(W2 relu(W1 z + b1) + b2)``, and at global extent this is Squeeze-and-Excitation.

The authors released their three global forms only.  Their gather, its normalisation and its start
(msra, biases zero, N(0, 0.01) for the two layers) are the defaults here; window and steps of the
finite extents are timm's.  In their theta plus one of sixteen gathers has a bias, by omission;
here none has.  Their batch normalisation moves its statistics by 0.05 a step, ours by PyTorch's
0.1.
Cells are PyTorch's nearest neighbours, which compute (3) in single precision: where a side is no
multiple of e, an edge of a cell may lie one position off.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.gather_excite.costs import multiply_adds, parameter_count
from attncourse.channel.gather_excite.functional import excite, gather_mean
from attncourse.channel.squeeze_excitation import hidden_width
from attncourse.layers import accepted, check_statistics, positive, whole
from attncourse.precision import exact


class GatherExcite(Attention):
    r"""Gate every cell of every channel by what is gathered around it.

    .. math:: y = x \odot \mathrm{up}(s), \qquad s = \sigma(\mathrm{gather}_e(x))

    Source: Hu, Shen, Albanie, Sun and Vedaldi, *Gather-Excite: Exploiting Feature Context in
    Convolutional Neural Networks*, NeurIPS 2018, arXiv 1810.12348.
    In a residual block it stands after the last normalisation and before the addition.

    Args:
        channels: number of channels c of the input.
        extent: side e of a cell that shares one gate, or ``None`` for the whole map.  A learned
            gather takes k = log2(e) steps of stride 2, so e is then 2, 4, 8 and so on.
        learned: gather by depthwise convolutions (theta) in place of a mean (theta minus).
        mlp: put SE's two layers between gather and sigmoid (theta plus), after a ReLU where the
            gather is learned.  With ``learned=False`` and ``extent=None`` the block is SE.
        reduction: divisor r of the hidden width of those layers, ``c // r``.
        size: (h, w) of the map, for a learned gather over the whole map: its kernel has this size.
        norm: whether batch normalisation follows each convolution of the gather; a bias replaces
            it where it is left out.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; of the given ``size`` where there is one
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c, \lceil h/e \rceil, \lceil w/e \rceil)`, each in (0, 1); the
          function :func:`spread` brings them to (h, w)

    Raises:
        ValueError: if a size, extent or reduction is impossible, if ``size`` is missing or has
            no use, if ``x`` does not fit, or if batch normalisation would see one value a channel.

    Examples:
        >>> block = GatherExcite(64, extent=4)
        >>> y, gates = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 64, 2, 2]))
        >>> sum(p.numel() for p in GatherExcite(64, extent=4, learned=False).parameters())
        0
    """

    def __init__(
        self,
        channels: int,
        extent: int | None = 4,
        *,
        learned: bool = True,
        mlp: bool = False,
        reduction: int = 16,
        size: tuple[int, int] | None = None,
        norm: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        whole(reduction=reduction)
        steps = _steps(channels, extent, learned, size)
        self.channels, self.extent, self.learned, self.mlp = channels, extent, learned, mlp
        self.reduction, self.size, self.norm = reduction, size, norm
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        shared: dict[str, Any] = {"groups": channels, "bias": not norm, **factory}
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(steps):
            if extent is None:
                assert size is not None
                conv = nn.Conv2d(channels, channels, size, **shared)
            else:
                conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1, **shared)
            self.convs.append(conv)
            self.norms.append(nn.BatchNorm2d(channels, **factory) if norm else nn.Identity())
        if mlp:
            hidden = hidden_width(channels, reduction)
            self.reduce: nn.Conv2d | None = nn.Conv2d(channels, hidden, 1, **factory)
            self.expand: nn.Conv2d | None = nn.Conv2d(hidden, channels, 1, **factory)
        else:
            self.reduce = self.expand = None
        self._start()

    def reset_parameters(self) -> None:
        """As released: msra for the gather, N(0, 0.01) for the two layers, zero biases."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
        self._start()

    def _start(self) -> None:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
            if isinstance(norm, nn.BatchNorm2d):
                norm.reset_parameters()
        for layer in (self.reduce, self.expand):
            if layer is not None and layer.bias is not None:
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) of a size that fits."""
        validate_features(x, self.channels)
        if self.size is not None and tuple(x.shape[2:]) != tuple(self.size):
            raise ValueError(
                f"x has maps of {tuple(x.shape[2:])}, but this block gathers by kernels of the "
                f"size of the map, size={tuple(self.size)}: resize the maps or the kernels, build "
                f"the block with this size, or choose a finite extent, which takes every size"
            )
        p, q = x.shape[2:]
        for number, norm in enumerate(self.norms):
            p, q = (1, 1) if self.extent is None else ((p + 1) // 2, (q + 1) // 2)
            check_statistics(norm, f"norms[{number}]", x.shape[0] * p * q, x)

    def gather(self, x: Tensor) -> Tensor:
        """What is gathered for each cell, (b, c, P, Q): equation (1) or (5)."""
        if not self.learned:
            return gather_mean(x, self.extent)
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(accepted(norm, conv(accepted(conv, F.relu(x) if number else x))))
        return x

    def g(self, x: Tensor) -> Tensor:
        """The gates s, one for each channel and cell, (b, c, P, Q)."""
        with exact(x):
            z = self.gather(x)
            if self.reduce is not None and self.expand is not None:
                z = F.relu(z) if self.learned else z
                hidden = F.relu(self.reduce(accepted(self.reduce, z)))
                z = self.expand(accepted(self.expand, hidden))
            return torch.sigmoid(z)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return excite(weights.to(x.dtype), x)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        usual = {"extent": 4, "learned": True, "mlp": False, "reduction": 16, "size": None}
        for name, default in (usual | {"norm": True}).items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def _steps(channels: int, extent: int | None, learned: bool, size: tuple[int, int] | None) -> int:
    """How many convolutions the gather has; raises where the arguments cannot be."""
    positive(channels=channels)
    if extent is not None:
        whole(extent=extent)
        if extent < 1:
            raise ValueError(f"extent={extent} must be at least 1, or None for the whole map")
    if size is not None:
        if extent is not None or not learned:
            raise ValueError(
                f"size={size} has no use here: only a learned gather over the whole map, "
                f"extent=None, is tied to a size"
            )
        whole(size=size)
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size={size} must be the two sides of the map, such as (7, 7)")
    if not learned:
        return 0
    if extent is None:
        if size is None:
            raise ValueError(
                "size=None: a learned gather over the whole map has kernels of the map's size; "
                "pass it as size=(h, w), or choose a finite extent"
            )
        return 1
    if extent < 2 or extent & (extent - 1):
        raise ValueError(
            f"extent={extent} is no power of two: a learned gather halves the map at each step, "
            f"so choose 2, 4, 8 and so on, or learned=False"
        )
    return extent.bit_length() - 1


CARD = Card(
    stem="gather_excite",
    title="Gather-Excite",
    category="channel",
    module=GatherExcite,
    key="hu2018genet",
    authors="Hu, Shen, Albanie, Sun, Vedaldi",
    venue="NeurIPS",
    year=2018,
    decides="s = σ(gather(x))",
    applies="y = x ⊙ up(s)",
    weights="b c h/e w/e",
    parameters=parameter_count,
    parameters_formula="11kC",
    macs=multiply_adds,
    macs_formula="CHW + 9C(HW/4 + HW/16)",
    memory="gates, one for each cell",
    growth="CN",
)
