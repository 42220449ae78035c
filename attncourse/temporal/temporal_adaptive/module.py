r"""TAM, the temporal adaptive module (Liu et al., 2021; key ``liu2021tam``).

Equations, numbered as in the chapter ``temporal/temporal_adaptive``:

.. math::
    z_{c,t} &= \frac{1}{hw} \sum_i x_{c,t,i}                                          & (1)\\
    V &= \sigma\bigl(W_e\, \delta(\mathrm{BN}(W_s * z))\bigr)                         & (2)\\
    \Theta_c &= \mathrm{softmax}\bigl(W_2\, \delta(\mathrm{BN}(W_1 z_c))\bigr)        & (3)\\
    y_{c,t} &= \sum_k \Theta_{c,k}\, V_{c,s}\, x_{c,s}, \quad s = t + k - \lfloor K/2 \rfloor
                                                                                      & (4)\\
    y_c &= A_c\, x_c, \qquad A_{c,t,s} = \Theta_{c,\,s-t+\lfloor K/2 \rfloor}\, V_{c,s} & (5)

==============  ===========  ==============================================================
symbol          shape        meaning
==============  ===========  ==============================================================
x               b c t h w    a clip: position i of a frame is one of h w
z               b c t        the profile of every channel over time
W_s, W_e        d c k, c d   a convolution over k frames to d = c // reduction, and back
V               b c t        importance of every frame for every channel, in (0, 1)
W_1, W_2        m t, k m     shared by all channels; m = expansion * t
Theta           b c k        one kernel over time for every channel, its taps add up to 1
A               b c t t      both together: row t holds what frame t takes from each frame
y               as x         the clip f(g(x), x)
==============  ===========  ==============================================================

Paper, authors' code and default here:

* The code has the two batch normalisations; the paper's equations leave them out.
* The code convolves all channels of all clips at once, in as many groups; here (5) is one matrix
  product for each channel, which does the same and holds no weighed clip; it suits clips of a few
  frames, and is slower for long ones.
* Frames outside the clip are zero, so that the first and the last frame lose what their outer
  tap would have taken.
* All layers start by PyTorch's defaults.  The block is then no identity: gates are near 1/2, and
  kernels near an average.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_clips
from attncourse.layers import check_statistics
from attncourse.temporal.temporal_adaptive.aggregation import aggregate, profile
from attncourse.temporal.temporal_adaptive.branches import AdaptiveKernel, Importance
from attncourse.temporal.temporal_adaptive.cost import checked, multiply_adds, parameter_count


class TemporalAdaptive(Attention):
    r"""Weigh every frame of a clip, and convolve over time with a kernel made of this clip.

    .. math:: y_{c,t} = \sum_k \Theta_{c,k}\, V_{c,s}\, x_{c,s},
        \qquad s = t + k - \lfloor K/2 \rfloor

    Source: Liu, Wang, Wu, Qian and Lu, *TAM: Temporal Adaptive Module for Video Recognition*,
    ICCV 2021, arXiv 2005.06803.
    In a residual network it stands before the 3 x 3 convolution of every bottleneck.  A network
    that takes frames as a batch hands it ``features.unflatten(0, (b, t)).movedim(1, 2)``.

    Args:
        channels: number of channels c of the input.
        frames: number of frames t of every clip.
        reduction: divisor of the hidden width of the local branch, ``c // reduction``.
        expansion: hidden units of the global branch for each frame.
        kernel_size: taps k of the kernel over time, and frames that the local branch reads; odd.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, t, h, w)`
        - y: :math:`(b, c, t, h, w)`
        - weights: the kernels :math:`(b, c, k)`, which add up to 1 over the taps, and the
          importance :math:`(b, c, t)`, each in (0, 1)

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = TemporalAdaptive(64, frames=8)
        >>> y, (kernel, importance) = block(torch.randn(2, 64, 8, 7, 7), need_weights=True)
        >>> y.shape, kernel.shape, importance.shape
        (torch.Size([2, 64, 8, 7, 7]), torch.Size([2, 64, 3]), torch.Size([2, 64, 8]))
        >>> sum(p.numel() for p in block.parameters())
        4336
    """

    def __init__(
        self,
        channels: int,
        frames: int = 8,
        reduction: int = 4,
        *,
        expansion: int = 2,
        kernel_size: int = 3,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        checked(frames, expansion, kernel_size)
        self.channels, self.frames, self.reduction = channels, frames, reduction
        self.expansion, self.kernel_size = expansion, kernel_size
        factory = {"device": device, "dtype": dtype}
        self.importance = Importance(channels, reduction, kernel_size, **factory)
        self.kernel = AdaptiveKernel(frames, expansion, kernel_size, **factory)

    def reset_parameters(self) -> None:
        """Draw both branches anew, by PyTorch's defaults."""
        self.importance.reset_parameters()
        self.kernel.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, frames, h, w)."""
        why = "its kernels are made of profiles of that length"
        validate_clips(x, self.channels, self.frames, why)
        for branch, samples in (("importance", x.shape[2]), ("kernel", x.shape[1])):
            norm: nn.Module | None = getattr(getattr(self, branch), "norm", None)
            check_statistics(norm, f"{branch}.norm", x.shape[0] * samples, x)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The kernels Theta, (b, c, k), and the importance V, (b, c, t)."""
        z = profile(x)
        return self.kernel(z), self.importance(z)

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """The clip, weighed and convolved over time, (b, c, t, h, w)."""
        kernel, importance = weights
        return aggregate(x, kernel, importance)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"frames": 8, "reduction": 4, "expansion": 2, "kernel_size": 3}
        own = {name: getattr(self, name) for name in usual}
        differs = [f"{name}={value}" for name, value in own.items() if value != usual[name]]
        return ", ".join([str(self.channels), *differs])


CARD = Card(
    stem="temporal_adaptive",
    title="TAM",
    category="temporal",
    module=TemporalAdaptive,
    key="liu2021tam",
    authors="Liu, Wang, Wu, Qian, Lu",
    venue="ICCV",
    year=2021,
    decides="Θ = softmax(W₂ δ(W₁ z)), V = σ(Wₑ δ(Wₛ * z)), z = GAP(x)",
    applies="yₜ = Σₖ Θₖ Vₛ xₛ, s = t + k − ⌊K/2⌋",
    weights="b c 3, b c t",
    parameters=parameter_count,
    parameters_formula="C² + C/2 + 2T² + 10T",
    macs=multiply_adds,
    macs_formula="(T² + T)CHW + C²T + C(3T² + 6T)",
    memory="one matrix of T × T for each channel",
    growth="CT",
    drop_in=False,
    input="b c t h w",
)
