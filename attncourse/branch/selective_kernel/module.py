r"""Selective kernels (Li, Wang, Hu and Yang, 2019; key ``li2019selective``).

Equations, numbered as in the chapter ``branch/selective_kernel``:

.. math::
    U_m &= \delta(\mathrm{BN}_m(K_m * x)), \quad m = 1, \dots, k                   & (4)\\
    s &= \mathrm{GAP}(U_1 + \dots + U_k)                                           & (5)\\
    z &= \delta(\mathrm{BN}(W s))                                                  & (6)\\
    a_{m,c} &= \frac{e^{(A_m z)_c}}{\sum_{l} e^{(A_l z)_c}}                        & (7)\\
    y_c &= \sum_m a_{m,c}\, U_{m,c}                                                & (8)

========  ============  =============================================================
symbol    shape         meaning
========  ============  =============================================================
x         b c h w       input features
K_m       c c/G 3 3     kernel of branch m, in G groups, dilated m times
U_m       b c h w       branch m
s         b c           fuse: the mean of the summed branches
W         d c           reduction to d = max(c // r, 32) hidden units
z         b d           what the selection is made from
A_m       c d           the scores of branch m, one row a channel
a         b k c         weights of the branches, channel by channel: the attention g(x)
y         b c h w       the selected features f(g(x), x)
========  ============  =============================================================

The paper calls the branches 3x3 and 5x5, and computes the 5x5 as a 3x3 kernel of dilation 2, as
its authors' released network does, without biases anywhere but in the normalisations.  That is
the default here.  Every branch sees all channels of ``x``, as in the paper; one library splits
them.
The hidden layer's normalisation needs two images in training mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.branch.selective_kernel.cost import hidden_width, multiply_adds, parameter_count
from attncourse.layers import accepted, check_statistics, is_plain, whole
from attncourse.precision import softmax


def fuse(paths: Sequence[Float[Tensor, "b c h w"]]) -> Float[Tensor, "b c"]:
    """Equation (5), without ever building the sum of the branches.

    A mean of a sum is a sum of means.  The division comes last, on c numbers: the gradient of
    ``sum`` is a view, that of ``mean`` a map of its own.  Half precision adds up in float32,
    where the sum over a large map does not overflow.
    """
    height, width = paths[0].shape[2:]
    exact = torch.promote_types(paths[0].dtype, torch.float32)
    total = paths[0].sum(dim=(2, 3), dtype=exact)
    for path in paths[1:]:
        total = total + path.sum(dim=(2, 3), dtype=exact)
    return total / (height * width)


def select(
    z: Float[Tensor, "b d"], scores: Float[Tensor, "kc d"], branches: int
) -> Float[Tensor, "b k c"]:
    """Equation (7): a softmax over the branches, for each channel by itself.

    ``scores`` holds the rows of A_1, then those of A_2, and so on.
    """
    logits = F.linear(z, scores).unflatten(1, (branches, -1))
    return logits.softmax(dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))


def mix(
    weights: Float[Tensor, "b k c"], paths: Sequence[Float[Tensor, "b c h w"]]
) -> Float[Tensor, "b c h w"]:
    """Equation (8), branch by branch: the stack of all branches is never built."""
    weights = weights.to(paths[0].dtype)[..., None, None]
    y = weights[:, 0] * paths[0]
    for m, path in enumerate(paths[1:], start=1):
        y.addcmul_(weights[:, m], path)  # y is our own, and no gradient needs its old values
    return y


def selective_kernel_reference(
    x: Float[Tensor, "b c h w"],
    kernels: Sequence[Float[Tensor, "c g 3 3"]],
    affines: Sequence[tuple[Tensor, Tensor]],
    dilations: Sequence[int],
    w: Float[Tensor, "d c"],
    affine: tuple[Tensor, Tensor],
    scores: Float[Tensor, "kc d"],
    stride: int = 1,
) -> Float[Tensor, "b c oh ow"]:
    """Equations (4) to (8) in eval mode: one image, one channel and one tap at a time."""
    (batch, channels, height, width), k = x.shape, len(kernels)
    images = []
    for n in range(batch):
        paths = []
        for kernel, (scale, shift), reach in zip(kernels, affines, dilations, strict=True):
            padded, maps, width_in = F.pad(x[n], [reach] * 4), [], kernel.shape[1]
            for c in range(channels):
                first = c // width_in * width_in  # the first input channel of c's group
                total = x.new_zeros(height, width)
                for i in range(width_in):
                    for tap in range(9):
                        top, left = tap // 3 * reach, tap % 3 * reach
                        window = padded[first + i, top : top + height, left : left + width]
                        total = total + kernel[c, i, tap // 3, tap % 3] * window
                maps.append((scale[c] * total[::stride, ::stride] + shift[c]).clamp(min=0))  # (4)
            paths.append(maps)
        s = torch.stack(
            [torch.stack([maps[c] for maps in paths]).sum(dim=0).mean() for c in range(channels)]
        )  # (5)
        z = (affine[0] * (w @ s) + affine[1]).clamp(min=0)  # (6)
        selected = []
        for c in range(channels):
            grown = torch.stack([torch.exp(scores[m * channels + c] @ z) for m in range(k)])
            parts = [grown[m] / grown.sum() * paths[m][c] for m in range(k)]  # (7)
            selected.append(torch.stack(parts).sum(dim=0))  # (8)
        images.append(torch.stack(selected))
    return torch.stack(images)


class SelectiveKernel(Attention):
    r"""Weigh convolutions of several reaches, channel by channel, by what they see together.

    .. math:: y = \sum_m a_m \odot U_m, \qquad
        a = \mathrm{softmax}_m\bigl(A_m\,\delta(\mathrm{BN}(W\,\mathrm{GAP}(\textstyle\sum_m U_m)))
        \bigr), \qquad U_m = \delta(\mathrm{BN}(K_m * x))

    Source: Li, Wang, Hu and Yang, *Selective Kernel Networks*, CVPR 2019, arXiv 1903.06586.
    It takes the place of the 3x3 convolution, with its normalisation and ReLU, in a bottleneck.

    ``forward`` computes the branches once; ``f(g(x), x)`` computes them twice, and in training
    mode moves their running statistics twice.

    Args:
        channels: number of channels c of input and output; a multiple of ``groups``.
        reduction: divisor r of the hidden width, ``max(c // r, min_hidden)``.
        dilations: reach of each branch: a 3x3 kernel of dilation D spans 2 D + 1 pixels.
        groups: groups G of the convolutions, each with c / G channels.
        min_hidden: least hidden width, L in the paper.
        stride: step of the convolutions, the same in all branches.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode :math:`b \ge 2`
        - y: :math:`(b, c, h, w)`, or with a stride :math:`\lceil h / stride \rceil` rows
        - weights: :math:`(b, k, c)`; they add up to 1 over the k branches

    Raises:
        ValueError: if ``groups`` does not divide ``channels``, if ``x`` does not fit, or if it
            is a batch of one in training mode.

    Examples:
        >>> block = SelectiveKernel(64)
        >>> y, weights = block(torch.randn(2, 64, 8, 8), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 64, 8, 8]), torch.Size([2, 2, 64]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        *,
        dilations: Sequence[int] = (1, 2),
        groups: int = 32,
        min_hidden: int = 32,
        stride: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check_branches(channels, dilations, groups, stride)
        self.channels, self.reduction, self.min_hidden = channels, reduction, min_hidden
        self.dilations, self.groups, self.stride = tuple(dilations), groups, stride
        hidden = hidden_width(channels, reduction, min_hidden)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride, padding=reach, dilation=reach, groups=groups,
                      bias=False, **factory)
            for reach in self.dilations
        )  # fmt: skip
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels, **factory) for _ in self.dilations)
        self.reduce = nn.Linear(channels, hidden, bias=False, **factory)
        self.norm = nn.BatchNorm1d(hidden, **factory)
        self.scores = nn.Linear(hidden, len(self.dilations) * channels, bias=False, **factory)
        self._draw()

    def reset_parameters(self) -> None:
        """He's scale for the kernels, small scores: the branches then start with equal weights."""
        for part in (*self.convs, *self.norms, self.reduce, self.norm, self.scores):
            part.reset_parameters()  # as at construction, where each part draws its own first
        self._draw()

    def _draw(self) -> None:
        for kernel in self.convs.parameters():
            nn.init.kaiming_normal_(kernel, nonlinearity="relu")
        nn.init.normal_(self.reduce.weight, std=0.01)
        nn.init.normal_(self.scores.weight, std=0.01)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w), with b > 1 in training."""
        validate_features(x, self.channels)
        check_statistics(self.norm, "norm", x.shape[0], x)

    def branches(self, x: Tensor) -> list[Tensor]:
        """Equation (4): the k branches, each (b, c, h, w)."""
        pairs = zip(self.convs, self.norms, strict=True)
        # The ReLU writes into what a plain normalisation has made, which nobody else sees.
        return [F.relu(n(conv(x)), inplace=is_plain(n, nn.BatchNorm2d)) for conv, n in pairs]

    def weigh(self, paths: Sequence[Tensor]) -> Tensor:
        """Equations (5) to (7): the weights (b, k, c) of given branches."""
        z = F.relu(self.norm(self.reduce(accepted(self.reduce, fuse(paths)))))
        # ``select`` on the layer itself, so that whatever replaces or hooks it is heard.
        return softmax(self.scores(z).unflatten(1, (len(self.dilations), -1)), dim=1)

    def g(self, x: Tensor) -> Tensor:
        """The weights of the branches, (b, k, c)."""
        return self.weigh(self.branches(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The weighted sum of the branches of ``x``, (b, c, h, w)."""
        return mix(weights, self.branches(x))

    def attend(self, x: Tensor) -> Tensor:
        """``f(g(x), x)`` with the branches computed once."""
        return self._together(x)[0]

    def forward(self, x: Tensor, need_weights: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Attend to ``x``; the branches are computed once, also where the weights are wanted."""
        self.validate(x)
        return self._together(x) if need_weights else self.attend(x)

    def _together(self, x: Tensor) -> tuple[Tensor, Tensor]:
        paths = self.branches(x)
        weights = self.weigh(paths)
        return mix(weights, paths), weights

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"reduction": 16, "dilations": (1, 2), "groups": 32, "min_hidden": 32, "stride": 1}
        own = {name: getattr(self, name) for name in usual}
        named = [f"{name}={own[name]}" for name in usual if own[name] != usual[name]]
        return ", ".join([str(self.channels), *named])


def _check_branches(channels: int, dilations: Sequence[int], groups: int, stride: int) -> None:
    whole(channels=channels, dilations=dilations, groups=groups, stride=stride)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    if not len(dilations) or min(dilations) < 1:
        raise ValueError(f"dilations={tuple(dilations)} must name a reach >= 1 for each branch")
    if groups < 1 or channels % groups:
        divisors = [n for n in range(1, channels + 1) if channels % n == 0 and n <= max(groups, 1)]
        raise ValueError(
            f"groups={groups} does not divide channels={channels}: choose groups={divisors[-1]}, "
            f"or a multiple of {groups} channels"
        )
    if stride < 1:
        raise ValueError(f"stride={stride} must be at least 1")


CARD = Card(
    stem="selective_kernel",
    title="Selective kernel",
    category="branch",
    module=SelectiveKernel,
    key="li2019selective",
    authors="Li, Wang, Hu, Yang",
    venue="CVPR",
    year=2019,
    decides="a = softmaxₘ(Aₘ δ(BN(W GAP(Σ Uₘ))))",
    applies="y = Σₘ aₘ ⊙ Uₘ",
    weights="b k c",
    parameters=parameter_count,
    parameters_formula="k(9C²/G + 2C) + (1+k)Cd + 2d",
    macs=multiply_adds,
    macs_formula="k(9C/G + 2)CHW + (1+k)Cd",
    memory="k branches of CHW",
    growth="CN",
)
