r"""CondConv, conditionally parameterised convolution (Yang et al., 2019; ``yang2019condconv``).

Equations, numbered as in the chapter ``branch/conditional_convolution``:

.. math::
    a &= \sigma(R\, \mathrm{GAP}(x) + b_R) \in (0, 1)^k                              & (1)\\
    \bar W &= \sum_m a_m W_m                                                        & (2)\\
    y &= \bar W * x                                                                 & (3)

========  =================  ==========================================================
symbol    shape              meaning
========  =================  ==========================================================
x         b c h w            input features
R         k c                the router, a linear layer
a         b k                how much of each kernel an image takes: the attention g(x)
W_m       o c/G s s          kernel m of k, of side s, in G groups
W bar     b o c/G s s        the mixed kernel of each image
y         b o h' w'          the features f(g(x), x)
========  =================  ==========================================================

The weights are sigmoids and need not add up to one.  The authors' code gives the router a bias,
which starts at zero, and draws its matrix by Glorot's rule; so does this module.  It draws every
kernel by itself with the initialiser of its network; here each kernel has He's scale for its own
fan-in.  Their networks compute one routing vector from the input of a block and share it among
the block's convolutions; here every layer routes for itself, from its own input.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Card
from attncourse.branch.conditional_convolution.cost import (
    condconv_multiply_adds,
    condconv_parameters,
)
from attncourse.branch.conditional_convolution.kernels import KernelMixture
from attncourse.branch.conditional_convolution.mixing import PLAIN, Steps
from attncourse.layers import accepted
from attncourse.precision import at_least_single

_EXPERTS, _BIAS = 8, False


def squeeze(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """GAP: the mean of every channel; half precision adds up in float32."""
    return x.mean(dim=(2, 3), dtype=at_least_single(x))


def kernel_mixture_reference(
    x: Float[Tensor, "b c h w"],
    weights: Float[Tensor, "b k"],
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """Equations (2) and (3): one image, one output channel and one tap at a time."""
    k, out, inner, side, _ = kernels.shape
    rows, columns = (steps.length(n, side) for n in x.shape[2:])
    images = []
    for n in range(len(x)):
        rim = steps.padding
        padded = x.new_zeros(x.shape[1], x.shape[2] + 2 * rim, x.shape[3] + 2 * rim)
        padded[:, rim : rim + x.shape[2], rim : rim + x.shape[3]] = x[n]
        maps = []
        for o in range(out):
            first = o // (out // steps.groups) * inner  # the first input channel of o's group
            total = x.new_zeros(rows, columns)
            if biases is not None:
                total = total + sum(weights[n, m] * biases[m, o] for m in range(k))
            for i in range(inner):
                for p in range(side):
                    for q in range(side):
                        tap = sum(weights[n, m] * kernels[m, o, i, p, q] for m in range(k))  # (2)
                        down, right = p * steps.dilation, q * steps.dilation
                        window = padded[first + i, down :: steps.stride, right :: steps.stride]
                        total = total + tap * window[:rows, :columns]  # (3)
            maps.append(total)
        images.append(torch.stack(maps))
    return torch.stack(images)


def condconv_reference(
    x: Float[Tensor, "b c h w"],
    router: tuple[Float[Tensor, "k c"], Float[Tensor, " k"]],
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """Equations (1) to (3), one number at a time."""
    (matrix, shift), positions = router, x.shape[2] * x.shape[3]
    rows = []
    for image in x:
        s = [channel.sum() / positions for channel in image]
        logits = [sum(r * v for r, v in zip(row, s, strict=True)) for row in matrix]
        rows.append(
            torch.stack([1 / (1 + torch.exp(-u - b)) for u, b in zip(logits, shift, strict=True)])
        )  # (1)
    return kernel_mixture_reference(x, torch.stack(rows), kernels, biases, steps)


class ConditionalConvolution(KernelMixture):
    r"""Mix k kernels for every image, by sigmoids of the channels' means, and convolve once.

    .. math:: y = \Bigl(\sum_m a_m W_m\Bigr) * x, \qquad a = \sigma(R\,\mathrm{GAP}(x) + b_R)

    Source: Yang, Bender, Le and Ngiam, *CondConv: Conditionally Parameterized Convolutions for
    Efficient Inference*, NeurIPS 2019, arXiv 1904.04971.
    It takes the place of a convolution; a normalisation and a ReLU follow it.

    Three forms are exact, and ``forward`` takes the one that was fastest where it is.  It mixes
    *outputs* for four images or more whose output maps have so few positions that
    ``(experts - 1) * positions <= 60``.  Else it mixes kernels: on a processor it convolves image
    after image if the kernels of all images have 8 million weights or more together, otherwise
    all images at once, in groups.  Captured graphs and large maps on a GPU always go in groups.

    Args:
        channels: number of channels c of the input.
        out_channels: number of output channels, as many if not given.
        kernel_size: side of the kernels.
        experts: number of kernels k.
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
        - weights: :math:`(b, k)`, each in (0, 1)

    Raises:
        ValueError: if a size is too small, if ``groups`` does not divide both numbers of
            channels, or if ``x`` does not fit.

    Examples:
        >>> block = ConditionalConvolution(16, 32, experts=4, stride=2)
        >>> y, weights = block(torch.randn(2, 16, 9, 7), need_weights=True)
        >>> y.shape, weights.shape
        (torch.Size([2, 32, 5, 4]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        experts: int = _EXPERTS,
        *,
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
        self.router = nn.Linear(channels, experts, device=device, dtype=dtype)
        self._draw_router()

    def reset_parameters(self) -> None:
        """He's scale for every kernel, Glorot's rule for the router, biases at zero."""
        self._draw()
        self.router.reset_parameters()  # as at construction, where the layer draws its own first
        self._draw_router()

    def _draw_router(self) -> None:
        nn.init.xavier_uniform_(self.router.weight)
        nn.init.zeros_(self.router.bias)

    def g(self, x: Tensor) -> Tensor:
        """The weights of the kernels, (b, k)."""
        return torch.sigmoid(self.router(accepted(self.router, squeeze(x))))

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        return ", ".join([str(self.channels), *self._differs(_EXPERTS, _BIAS)])


CARD = Card(
    stem="conditional_convolution",
    title="CondConv",
    category="branch",
    module=ConditionalConvolution,
    key="yang2019condconv",
    authors="Yang, Bender, Le, Ngiam",
    venue="NeurIPS",
    year=2019,
    decides="a = σ(R GAP(x) + b)",
    applies="y = (Σₘ aₘ Wₘ) * x",
    weights="b k",
    parameters=condconv_parameters,
    parameters_formula="9kC² + k(C + 1)",
    macs=condconv_multiply_adds,
    macs_formula="9C²HW + 9kC² + CHW + kC",
    memory="one kernel for each image",
    growth="C²",
)
