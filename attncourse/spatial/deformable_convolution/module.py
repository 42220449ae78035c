r"""Deformable convolution (Dai et al., 2017; key ``dai2017dcn``), modulated (Zhu et al., 2019).

Equations, numbered as in the chapter ``spatial/deformable_convolution``:

.. math::
    y(p_0) &= \sum_{k} W_k\, m_k(p_0)\, x\bigl(p_k(p_0)\bigr)                          & (1)\\
    p_k(p_0) &= p_0 + r_k + \Delta p_k(p_0)                                            & (2)\\
    (\Delta p, \tau) &= v * x + a, \qquad m_k = \gamma\, \sigma(\tau_k)                & (3)\\
    x(p) &= \sum_{q} \Lambda(p_y - q_y)\, \Lambda(p_x - q_x)\, x(q),
        \qquad \Lambda(u) = \max(0, 1 - |u|)                                           & (4)

=========  ==============  ====================================================================
symbol     shape           meaning
=========  ==============  ====================================================================
x          b c h w         input features
W          d c/groups K    the kernel; K = kernel_size squared
r          K 2             the lattice of its taps from the middle one, (-1, -1) to (1, 1)
Delta p    b GK h' w' 2    offsets (row, column) in pixels of the input, unbounded; G groups
m          b GK h' w'      mask of the modulated form; 1 in the first form
v, a       -               the side convolution, with the kernel's size, stride and dilation
y          b d h' w'       output
=========  ==============  ====================================================================

The side convolution starts at zero, so that a fresh module is an ordinary convolution, in the
modulated form gamma / 2 of one.

Papers and released code:

* The first code gives 0 for any reading outside [0, h) x [0, w), and repeats the last row from
  h - 1 to h; the modulated one's, mmcv's and this one's fade over one pixel, as (4) with zeros
  around the image does.
* The paper on the modulated form starts with masks of 1/2 (``gain=1``); the authors' example has
  2 sigma, so that it starts as the plain convolution (``gain=2``).
* They train the side convolution with a tenth of the learning rate, ports do not; that is left to
  the optimiser's parameter groups, by ``module.side.parameters()``.
* Channels of ``side``: row and column in turn for each tap, taps in reading order, group by group,
  then all masks.  So it is in mmcv (``conv_offset``), and offsets are given to
  ``torchvision.ops.deform_conv2d`` in that order.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import accepted, whole
from attncourse.precision import at_least_single, exact
from attncourse.spatial.deformable_convolution.cost import (
    multiply_adds,
    parameter_count,
    same_padding,
    side_channels,
)
from attncourse.spatial.deformable_convolution.taps import (
    Lattice,
    Reader,
    by_corners,
    by_kernel,
    deformable_convolution,
)
from attncourse.transforms import in_format_of


class DeformableConvolution(Attention):
    r"""A convolution whose taps read where a side convolution sends them.

    .. math:: y(p_0) = \sum_k W_k\, m_k(p_0)\, x(p_0 + r_k + \Delta p_k(p_0))

    Source: Dai, Qi, Xiong, Li, Zhang, Hu and Wei, *Deformable Convolutional Networks*, ICCV 2017,
    arXiv 1703.06211; with ``modulated=True`` Zhu, Hu, Lin and Dai, *Deformable ConvNets v2*,
    CVPR 2019, arXiv 1811.11168.  Offsets start at zero.

    On a GPU the backward pass of ``grid_sample`` adds up in an order that changes from run to run,
    and ``torch.use_deterministic_algorithms(True)`` refuses it where torch has no other; the
    explicit form, ``need_weights=True``, reads by ``gather`` in its place.  The explicit form has
    second derivatives and forward-mode derivatives, too, where the library's kernel has none.

    Args:
        channels: number of channels c of the input.
        out_channels: number of channels of the output; by default as many.
        kernel_size: rows and columns of the kernel.
        stride: from one output position to the next.
        padding: how far the first tap stands outside; by default what keeps the size of the map
            at stride 1.
        dilation: from one tap to the next.
        groups: into which the kernel splits the channels.
        offset_groups: groups G of input channels, each with offsets of its own.
        modulated: weigh every reading by a mask.
        gain: gamma, the largest value of the mask.
        bias: add one to every output channel.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, d, h', w')`, those of an ordinary convolution
        - weights: offsets :math:`(b, GK, h', w', 2)`, (row, column) in pixels; if modulated, a
          tuple of them and the mask :math:`(b, GK, h', w')`

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> layer = DeformableConvolution(16, 32, stride=2)
        >>> y, offsets = layer(torch.randn(2, 16, 8, 10), need_weights=True)
        >>> y.shape, offsets.shape
        (torch.Size([2, 32, 4, 5]), torch.Size([2, 9, 4, 5, 2]))
    """

    def __init__(
        self,
        channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        offset_groups: int = 1,
        modulated: bool = False,
        gain: float = 1.0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        out = channels if out_channels is None else out_channels
        sizes = {"channels": channels, "out_channels": out, "kernel_size": kernel_size}
        sizes |= {"stride": stride, "dilation": dilation}
        sizes |= {"groups": groups, "offset_groups": offset_groups}
        whole(**sizes, padding=() if padding is None else padding)
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        for name, split in (("groups", groups), ("offset_groups", offset_groups)):
            if channels % split or (name == "groups" and out % split):
                raise ValueError(
                    f"{name}={split} must divide channels={channels}"
                    + (f" and out_channels={out}" if name == "groups" else "")
                )
        if padding is None:
            if dilation * (kernel_size - 1) % 2:
                raise ValueError(
                    f"kernel_size={kernel_size} with dilation={dilation} keeps no map's size: "
                    f"choose a padding, or an odd kernel"
                )
            padding = same_padding(kernel_size, dilation)
        if padding < 0:
            raise ValueError(f"padding={padding} must not be negative")
        self.channels, self.out_channels, self.kernel_size = channels, out, kernel_size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.groups, self.offset_groups = groups, offset_groups
        self.modulated, self.gain = modulated, gain
        like: dict[str, Any] = {"device": device, "dtype": dtype}
        wide = side_channels(kernel_size, offset_groups, modulated=modulated)
        self.side = nn.Conv2d(channels, wide, kernel_size, stride, padding, dilation, **like)
        kernel = torch.empty(out, channels // groups, kernel_size, kernel_size, **like)
        self.weight = nn.Parameter(kernel)
        self.bias = nn.Parameter(torch.empty(out, **like)) if bias else None
        self._start()

    def reset_parameters(self) -> None:
        """Draw the kernel as PyTorch draws a convolution's, and let the taps stand still."""
        # The side convolution's own draw is thrown away, but it moves the numbers that follow.
        self.side.reset_parameters()
        self._start()

    def _start(self) -> None:
        bound = self.weight[0].numel() ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)
        for parameter in self.side.parameters():
            nn.init.zeros_(parameter)

    @property
    def lattice(self) -> Lattice:
        """Where the taps stand before they move."""
        size = (self.kernel_size, self.kernel_size)
        return Lattice(size, self.stride, self.padding, self.dilation)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) and the kernel fits on it."""
        validate_features(x, self.channels)
        if min(self.lattice.out_size(x.shape[2], x.shape[3])) < 1:
            raise ValueError(
                f"x has {x.shape[2]} rows and {x.shape[3]} columns, fewer than the kernel spans: "
                f"raise padding={self.padding}, or pass a larger map"
            )

    def g(self, x: Float[Tensor, "b c h w"]) -> Tensor | tuple[Tensor, Tensor]:
        """Equation (3): offsets of every tap, and masks if modulated, in float32 or better."""
        # Half precision would move a tap that goes ten pixels far by a twentieth of one.
        with exact(x):
            numbers = self.side(accepted(self.side, x))
        numbers = numbers.to(at_least_single(numbers))
        taps = self.lattice.taps * self.offset_groups
        offsets = numbers[:, : 2 * taps].unflatten(1, (taps, 2)).movedim(2, -1)
        if not self.modulated:
            return offsets
        return offsets, self.gain * torch.sigmoid(numbers[:, 2 * taps :])

    def f(self, weights: Tensor | tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """Equations (1), (2) and (4), corner by corner."""
        return self._convolve(weights, x, by_corners)

    def attend(self, x: Tensor) -> Tensor:
        """``f(g(x), x)`` with all taps read by one kernel."""
        return self._convolve(self.g(x), x, by_kernel)

    def _convolve(self, weights: Tensor | tuple[Tensor, Tensor], x: Tensor, read: Reader) -> Tensor:
        offsets, mask = weights if isinstance(weights, tuple) else (weights, None)
        y = deformable_convolution(
            x, self.weight, self.bias, offsets, mask, stride=self.stride, padding=self.padding,
            dilation=self.dilation, groups=self.groups, read=read,
        )  # fmt: skip
        return in_format_of(x, y)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        defaults: dict[str, Any] = {"out_channels": self.channels, "kernel_size": 3, "stride": 1}
        defaults |= {"padding": same_padding(self.kernel_size, self.dilation), "dilation": 1}
        defaults |= {"groups": 1, "offset_groups": 1, "modulated": False, "gain": 1.0}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts + ([] if self.bias is not None else ["bias=False"]))


CARD = Card(
    stem="deformable_convolution",
    title="Deformable convolution",
    category="spatial",
    module=DeformableConvolution,
    key="dai2017dcn",
    authors="Dai, Qi, Xiong, Li, Zhang, Hu, Wei",
    venue="ICCV",
    year=2017,
    decides="Δp = v * x + a",
    applies="y(p₀) = Σ W(k) x(p₀ + r(k) + Δp(k))",
    weights="b k h w 2",
    parameters=parameter_count,
    parameters_formula="2K²CG + 2KG + KCC' + C'",
    macs=multiply_adds,
    macs_formula="(2KG + 4 + C')KCHW",
    memory="what the taps read: KCHW numbers, and 2KGHW offsets",
    growth="CN",
)
