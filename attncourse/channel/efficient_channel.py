r"""Efficient channel attention, ECA-Net (Wang, Wu, Zhu, Li, Zuo and Hu, 2020; key ``wang2020eca``).

Equations, numbered as in the chapter ``channel/efficient_channel``:

.. math::
    z_c &= \frac{1}{HW} \sum_{i,j} x_{c,i,j}                                          & (1)\\
    s_c &= \sigma\Bigl(\sum_{m=-p}^{p} w_m\, z_{c+m}\Bigr), \quad p = \frac{k-1}{2}   & (2)\\
    y_{c,i,j} &= s_c\, x_{c,i,j}                                                      & (3)\\
    k &= \psi(C) = \Bigl| \frac{\log_2 C + b}{\gamma} \Bigr|_{\text{odd}}             & (5)

With ``shared=False`` (the paper's ECA-NS) every channel has weights of its own,

.. math::
    s_c = \sigma\Bigl(\sum_{m=-p}^{p} w_{c,m}\, z_{c+m}\Bigr)                         \qquad (4)

========  ==================  ===========================================================
symbol    shape               meaning
========  ==================  ===========================================================
x         b c h w             input features
z         b c                 squeeze: the mean of every channel over all positions
w         k, or c k           the kernel that slides along the channels, or one for each
s         b c                 gates in (0, 1): the attention g(x)
y         b c h w             gated features f(g(x), x)
========  ==================  ===========================================================

Beyond the first and the last channel z is zero, or with ``padding="circular"`` the other end of
the row.  There is no bias.

Paper and released code:

* The listing in the paper (its Figure 3) ends without the sigmoid of its equation; the code has it.
* The ResNet code takes the sizes by hand, one for each stage; the released model has 3, 5, 5, 7,
  where (5) gives 5, 5, 5, 7 for its widths.  ``kernel_size=`` sets one by hand.
* The code takes the whole part of (log2 C + b) / gamma and adds one where that is even, so a tie
  goes up; so does :func:`psi`.  Below eight channels this is 1, and no channel sees another; timm
  takes 3 at least.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.squeeze_excitation import scale, squeeze
from attncourse.layers import positive, whole

PADDINGS = ("zeros", "circular")


def psi(channels: int, gamma: float = 2, b: float = 1) -> int:
    """Equation (5): the odd number of channels that one gate sees.

    Args:
        channels: number of channels c.
        gamma: how many doublings of c widen the kernel by one.
        b: shift of the same.

    Raises:
        ValueError: if ``channels`` is below 1 or ``gamma`` is 0.
    """
    positive(channels=channels)
    if gamma == 0:
        raise ValueError(f"gamma={gamma} divides by zero: the paper has gamma=2")
    size = int(abs((math.log2(channels) + b) / gamma))
    return size if size % 2 else size + 1


def usual_size(channels: int) -> int:
    """``psi(channels)`` by comparisons: 3 from 8 channels on, and 2 more at each sixteenfold."""
    positive(channels=channels)
    size = 1
    for doublings in range(3, 62, 4):
        if channels < 2**doublings:
            break
        size += 2
    return size


def band(w: Float[Tensor, "c k"], *, circular: bool = False) -> Float[Tensor, "c c"]:
    """The matrix whose product with z is the sum of (4): row c holds the weights of gate c.

    Args:
        w: one kernel for each channel; for the shared one of (2), repeated.
        circular: whether the row of channels closes to a ring.
    """
    channels, size = w.shape
    seen = torch.arange(channels, device=w.device)
    places = seen[:, None] + torch.arange(size, device=w.device) - size // 2
    # One copy of the channels for each place, so that a kernel may be longer than their row.
    hits = places[:, :, None] % channels == seen
    if not circular:
        hits = hits & ((places >= 0) & (places < channels))[:, :, None]
    return (w[:, :, None] * hits).sum(dim=1)


def efficient_channel_reference(
    x: Float[Tensor, "b c h w"], w: Float[Tensor, "c k"], *, circular: bool = False
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (4), one image, one channel and one neighbour at a time."""
    (batch, channels, height, width), reach = x.shape, w.shape[1] // 2
    images = []
    for n in range(batch):
        z = [x[n, c].sum() / (height * width) for c in range(channels)]  # (1)
        gated = []
        for c in range(channels):
            logit = x.new_zeros(())
            for m in range(-reach, reach + 1):
                if circular:
                    logit = logit + w[c, m + reach] * z[(c + m) % channels]
                elif 0 <= c + m < channels:
                    logit = logit + w[c, m + reach] * z[c + m]
            gated.append(x[n, c] / (1 + torch.exp(-logit)))  # (2), (3)
        images.append(torch.stack(gated))
    return torch.stack(images)


class EfficientChannel(Attention):
    r"""Gate every channel by a weighted sum of the means of a few neighbouring channels.

    .. math:: y = s \odot x, \qquad s = \sigma(w * \mathrm{GAP}(x))

    Source: Wang, Wu, Zhu, Li, Zuo and Hu, *ECA-Net: Efficient Channel Attention for Deep
    Convolutional Neural Networks*, CVPR 2020, arXiv 1910.03151.
    In a residual block it stands where SE stands.

    Args:
        channels: number of channels c of the input.
        kernel_size: odd number k of channels that one gate sees; by default :func:`psi`.
        shared: one kernel for all channels, equation (2), or one for each, equation (4).
        padding: what stands beyond the ends of the row of channels, ``"zeros"``, or
            ``"circular"``: its other end.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`, any number of positions
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if ``kernel_size`` is even, too small, or in a ring larger than the number of
            channels, if ``padding`` is unknown, or if ``x`` does not fit.

    Examples:
        >>> block = EfficientChannel(64)
        >>> y, gates = block(torch.randn(2, 64, 8, 8), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 8, 8]), torch.Size([2, 64]))
        >>> sum(p.numel() for p in block.parameters())
        3
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int | None = None,
        *,
        shared: bool = True,
        padding: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.shared, self.padding = channels, shared, padding
        self.kernel_size = checked_size(channels, kernel_size, padding)
        rows = 1 if shared else channels
        self.conv = nn.Conv1d(
            rows, rows, self.kernel_size, groups=rows, bias=False, device=device, dtype=dtype
        )

    def reset_parameters(self) -> None:
        """Draw the kernel anew from PyTorch's default, uniform within 1 / sqrt(k)."""
        self.conv.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        reach, mode = (
            self.kernel_size // 2,
            "circular" if self.padding == "circular" else "constant",
        )
        z = F.pad(squeeze(x)[:, None], (reach, reach), mode=mode)
        if not self.shared:  # One window for each channel, and a group for each window.
            z = z[:, 0].unfold(1, self.kernel_size, 1)
        return torch.sigmoid(self.conv(z).flatten(1))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return scale(weights, x)

    def kernels(self) -> Tensor:
        """One kernel for each channel, (c, k): the rows of :func:`band`."""
        return self.conv.weight[:, 0].expand(self.channels, -1)

    def matrix(self) -> Tensor:
        """The matrix between squeeze and sigmoid, (c, c)."""
        return band(self.kernels(), circular=self.padding == "circular")

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        if self.kernel_size != psi(self.channels):
            parts.append(f"kernel_size={self.kernel_size}")
        parts += [] if self.shared else ["shared=False"]
        return ", ".join(parts + ([] if self.padding == "zeros" else [f"padding={self.padding!r}"]))


def checked_size(channels: int, kernel_size: int | None = None, padding: str = "zeros") -> int:
    """The kernel's size: ``kernel_size`` if given, else :func:`psi`; raises as the class says."""
    if padding not in PADDINGS:
        raise ValueError(f"padding={padding!r} is unknown: choose 'zeros' or 'circular'")
    size = usual_size(channels)
    if kernel_size is not None:
        whole(kernel_size=kernel_size)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size={kernel_size} must be odd and at least 1, so that it reaches "
                f"equally far to both sides"
            )
        size = kernel_size
    if padding == "circular" and size > channels:
        raise ValueError(
            f"kernel_size={size} goes around a ring of channels={channels} more than once: "
            f"choose at most {channels - 1 + channels % 2}, or padding='zeros'"
        )
    return size


def parameter_count(
    channels: int, kernel_size: int | None = None, *, shared: bool = True, padding: str = "zeros"
) -> int:
    """Learned parameters: k, or without sharing c k."""
    size = checked_size(channels, kernel_size, padding)
    return size if shared else channels * size


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    kernel_size: int | None = None,
    *,
    shared: bool = True,
    padding: str = "zeros",
) -> int:
    """Multiply-adds for one image: c k for the kernel, one pass to squeeze, one to scale."""
    del shared  # Whose weights they are changes no count.
    return channels * checked_size(channels, kernel_size, padding) + 2 * channels * height * width


CARD = Card(
    stem="efficient_channel",
    title="ECA-Net",
    category="channel",
    module=EfficientChannel,
    key="wang2020eca",
    authors="Wang, Wu, Zhu, Li, Zuo, Hu",
    venue="CVPR",
    year=2020,
    decides="s = σ(w * GAP(x))",
    applies="y = s ⊙ x",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="K",
    macs=multiply_adds,
    macs_formula="KC + 2CHW",
    memory="one vector of C",
    growth="C",
)
