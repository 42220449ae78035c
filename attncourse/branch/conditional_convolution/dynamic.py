r"""Dynamic convolution: attention over kernels (Chen et al., 2020; key ``chen2020dynamic``).

Equations, numbered as in the chapter ``branch/conditional_convolution``:

.. math::
    a = \mathrm{softmax}_m\Bigl(\frac{1}{\tau} \bigl(W_2\, \delta(W_1\, \mathrm{GAP}(x)
        + b_1) + b_2\bigr)\Bigr)                                                    & (6)

and y from (2) and (3), with the biases mixed as the kernels are.

========  =================  ==========================================================
symbol    shape              meaning
========  =================  ==========================================================
W_1       d c                reduction to d = c // r hidden units
W_2       k d                one score a kernel
tau       (a number)         temperature: the larger, the more even the shares
a         b k                shares of the kernels, adding up to 1: the attention g(x)
========  =================  ==========================================================

The paper lets tau fall from 30 to 1, linearly over the first ten epochs: :func:`annealed`.  A
circulating port starts at 34 and takes 3 away each epoch; it keeps tau as a plain attribute, which
a checkpoint loses.  Here tau is a buffer, which is saved and loaded with the parameters.  The
default is where the paper ends, 1.  Both layers have biases here; the port has none in the first.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Card
from attncourse.branch.conditional_convolution.cost import (
    dynamic_multiply_adds,
    dynamic_parameters,
    hidden_width,
)
from attncourse.branch.conditional_convolution.kernels import KernelMixture
from attncourse.branch.conditional_convolution.mixing import PLAIN, Steps
from attncourse.branch.conditional_convolution.module import kernel_mixture_reference, squeeze
from attncourse.layers import accepted, whole
from attncourse.precision import at_least_single, softmax

_EXPERTS, _BIAS = 4, True
#: Where the paper's temperature starts, and how many epochs it takes to fall to 1.
HOT, WARM_UP = 30.0, 10


def annealed(epoch: int | float, warm_up: int | float = WARM_UP, hot: float = HOT) -> float:
    """The paper's temperature: from ``hot`` to 1, linearly over the first ``warm_up`` epochs."""
    return 1 + (hot - 1) * max(0.0, 1 - epoch / warm_up)


def shares(
    logits: Float[Tensor, "b k"], temperature: float | Float[Tensor, ""]
) -> Float[Tensor, "b k"]:
    """Equation (6): a softmax over the kernels, evened out by the temperature."""
    return softmax(logits.to(at_least_single(logits)) / temperature, dim=1)


def _layer(layer: tuple[Tensor, Tensor], given: list[Tensor]) -> list[Tensor]:
    rows = zip(*layer, strict=True)
    return [sum(w * v for w, v in zip(row, given, strict=True)) + b for row, b in rows]


def dynamic_reference(
    x: Float[Tensor, "b c h w"],
    first: tuple[Float[Tensor, "d c"], Float[Tensor, " d"]],
    second: tuple[Float[Tensor, "k d"], Float[Tensor, " k"]],
    temperature: float,
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """Equations (6), (2) and (3), one number at a time."""
    positions, rows = x.shape[2] * x.shape[3], []
    for image in x:
        s = [channel.sum() / positions for channel in image]
        z = [unit.clamp(min=0) for unit in _layer(first, s)]
        u = _layer(second, z)
        grown = torch.stack([torch.exp(logit / temperature) for logit in u])
        rows.append(grown / grown.sum())  # (6)
    return kernel_mixture_reference(x, torch.stack(rows), kernels, biases, steps)


class DynamicConvolution(KernelMixture):
    r"""Mix k kernels for every image in shares that add up to one, and convolve once.

    .. math:: y = \Bigl(\sum_m a_m W_m\Bigr) * x + \sum_m a_m b_m, \qquad
        a = \mathrm{softmax}\bigl((W_2\,\delta(W_1\,\mathrm{GAP}(x) + b_1) + b_2) / \tau\bigr)

    Source: Chen, Dai, Liu, Chen, Yuan and Liu, *Dynamic Convolution: Attention over Convolution
    Kernels*, CVPR 2020, arXiv 1912.03458.
    It takes the place of a convolution; a normalisation and a ReLU follow it.

    The temperature is a buffer.  ``block.anneal(annealed(epoch))`` sets it, once an epoch, and a
    checkpoint keeps it.  ``forward`` picks among three exact forms by the rule of
    :class:`~attncourse.branch.ConditionalConvolution`.

    Args:
        channels: number of channels c of the input.
        out_channels: number of output channels, as many if not given.
        kernel_size: side of the kernels.
        experts: number of kernels k.
        reduction: divisor r of the hidden width, ``max(c // r, min_hidden)``.
        min_hidden: least hidden width.
        temperature: where the temperature starts; the paper starts at 30 and anneals to 1.
        stride: step of the convolution.
        padding: rows and columns of zeros on each side; by default as many as keep the size of
            the map for odd kernels and a stride of 1.
        dilation: distance of neighbouring taps.
        groups: groups of the convolution.
        bias: give every kernel a bias for each output channel; they are mixed as the kernels are.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, o, h', w')`, the size that a convolution gives
        - weights: :math:`(b, k)`; they add up to 1 over the kernels

    Raises:
        ValueError: if a size or the temperature is too small, if ``groups`` does not divide both
            numbers of channels, or if ``x`` does not fit.

    Examples:
        >>> block = DynamicConvolution(16, temperature=30.0)
        >>> y, weights = block(torch.randn(2, 16, 8, 8), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 16, 8, 8]), torch.Size([2, 4]))
        >>> block.anneal(annealed(epoch=5))
        >>> float(block.temperature)
        15.5
    """

    temperature: Tensor

    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        experts: int = _EXPERTS,
        reduction: int = 4,
        *,
        min_hidden: int = 4,
        temperature: float = 1.0,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = _BIAS,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels, out_channels, kernel_size, experts, stride=stride, padding=padding,
            dilation=dilation, groups=groups, bias=bias, device=device, dtype=dtype,
        )  # fmt: skip
        whole(reduction=reduction, min_hidden=min_hidden)
        self.reduction, self.min_hidden = reduction, min_hidden
        hidden = hidden_width(channels, reduction, min_hidden)
        self.reduce = nn.Linear(channels, hidden, device=device, dtype=dtype)
        self.score = nn.Linear(hidden, experts, device=device, dtype=dtype)
        started = torch.tensor(_checked(temperature), device=device, dtype=dtype)
        self.register_buffer("temperature", started)
        self.started = float(temperature)

    def reset_parameters(self) -> None:
        """He's scale for every kernel, PyTorch's default for both layers; tau as at the start."""
        self._draw()
        self.reduce.reset_parameters()
        self.score.reset_parameters()
        self.anneal(self.started)

    def anneal(self, temperature: float) -> None:
        """Set the temperature, such as to :func:`annealed` of the epoch."""
        self.temperature.fill_(_checked(temperature))

    def logits(self, x: Tensor) -> Tensor:
        """The scores of the kernels, before the temperature, (b, k)."""
        return self.score(F.relu(self.reduce(accepted(self.reduce, squeeze(x)))))

    def g(self, x: Tensor) -> Tensor:
        """The shares of the kernels, (b, k)."""
        return shares(self.logits(x), self.temperature)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        own = {"reduction": (self.reduction, 4), "min_hidden": (self.min_hidden, 4),
               "temperature": (self.started, 1.0)}  # fmt: skip
        others = [f"{name}={value}" for name, (value, usual) in own.items() if value != usual]
        return ", ".join([str(self.channels), *self._differs(_EXPERTS, _BIAS), *others])


def _checked(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature={temperature} must be a positive number")
    return float(temperature)


CARD = Card(
    stem="dynamic_convolution",
    within="conditional_convolution",
    title="Dynamic convolution",
    category="branch",
    module=DynamicConvolution,
    key="chen2020dynamic",
    authors="Chen, Dai, Liu, Chen, Yuan, Liu",
    venue="CVPR",
    year=2020,
    decides="a = softmax(W₂ δ(W₁ GAP(x)) / τ)",
    applies="y = (Σₘ aₘ Wₘ) * x",
    weights="b k",
    parameters=dynamic_parameters,
    parameters_formula="k(9C² + C) + C²/r + C/r + k(C/r + 1)",
    macs=dynamic_multiply_adds,
    macs_formula="9C²HW + k(9C² + C) + CHW + (C + k)C/r",
    memory="one kernel for each image",
    growth="C²",
)
