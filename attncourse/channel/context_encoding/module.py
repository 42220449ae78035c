r"""Context encoding, EncNet (Zhang et al., 2018; key ``zhang2018encnet``).

Equations, numbered as in the chapter ``channel/context_encoding``:

.. math::
    u &= \delta(\mathrm{BN}(W_1 * x)) \in \mathbb R^{n \times c}                          & (1)\\
    a_{ik} &= \mathrm{softmax}_k\bigl(\tau_k \lVert u_i - d_k \rVert_2^2\bigr)            & (2)\\
    e_k &= \sum_i a_{ik}\, (u_i - d_k)                                                    & (3)\\
    e &= \frac1K \sum_k \delta(\mathrm{BN}_k(e_k))                                        & (4)\\
    s &= \sigma(W_2 e + b_2), \qquad y_{c,i,j} = \delta(x_{c,i,j} + s_c\, x_{c,i,j})      & (5)

========  ===========  =======================================================================
symbol    shape        meaning
========  ===========  =======================================================================
x         b c h w      input features
W1        c c          1x1 convolution without bias
u         b n c        mixed features, one vector for each of the n positions
d         k c          codewords
tau       k            smoothing factors; negative where near features are preferred
a         b n k        assignments: how much of position i belongs to codeword k
e_k       b k c        sums of residuals, the code of the image before it is pooled
e         b c          the code, the mean over codewords
W2, b2    c c, c       from the code to the gates
s         b c          gates in (0, 1): the attention g(x)
y         b c h w      gated features f(g(x), x)
========  ===========  =======================================================================

BN_k normalises codeword k over the batch and its c numbers.

The defaults are those of the authors' released code.  Where an account of the paper differs, which
we could not hold beside the paper, a switch gives its form:

* The paper adds the codewords up in (4), without 1/K.  ``total=True``.
* The paper gates with y = s x; the code adds x and takes a ReLU.  ``residual=False``.
* The paper writes the assignment with exp(-s_k |u_i - d_k|^2).  The code's factor is tau_k = -s_k,
  starts between -1 and 0, and may become anything: a positive one prefers the farthest codeword.
  ``signed=False`` takes tau_k = -softplus of the parameter, which stays negative.

Ours are ``average=True``, which divides (3) by n so that the code does not grow with the image,
and ``mix=False``, which leaves (1) out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.channel.context_encoding.codebook import assign, encode
from attncourse.channel.squeeze_excitation import scale
from attncourse.layers import accepted, check_statistics, whole
from attncourse.precision import at_least_single, exact


class ContextEncoding(Attention):
    r"""Gate every channel by a code of the whole image: residuals to learned codewords.

    .. math:: y = \delta(x + s \odot x), \qquad
        s = \sigma\Bigl(W_2 \tfrac1K \sum_k \delta(\mathrm{BN}_k(e_k)) + b_2\Bigr), \qquad
        e_k = \sum_i a_{ik} (u_i - d_k)

    Source: Zhang, Dana, Shi, Zhang, Wang, Tyagi and Agrawal, *Context Encoding for Semantic
    Segmentation*, CVPR 2018, arXiv 1803.08904.  The authors put it before the last 1x1 convolution
    of a segmentation network, with 512 channels.

    Distances and sums are computed in float32 at least, after the mean of the codewords is
    subtracted from features and codewords: a common offset costs no precision.

    Args:
        channels: number of channels c of the input.
        codewords: their number k.
        total: the sum over codewords in (4) in place of their mean.
        residual: whether x is added to s x, with a ReLU behind.
        signed: whether the smoothing factors are free to become positive, as in the released code.
        average: divide the sums of (3) by the number of positions.
        mix: whether (1) stands in front; without it u is x.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`; in training mode more than one value for each normalisation
        - y: :math:`(b, c, h, w)`
        - weights: :math:`(b, c)`, each in (0, 1)

    Raises:
        ValueError: if a size is below 1, if ``x`` does not fit, or if a normalisation would see one
            value for each channel in training mode.

    Examples:
        >>> block = ContextEncoding(64, codewords=8)
        >>> y, gates = block(torch.randn(2, 64, 14, 14), need_weights=True)
        >>> y.shape, gates.shape
        (torch.Size([2, 64, 14, 14]), torch.Size([2, 64]))
        >>> block.assignments(torch.randn(2, 64, 14, 14)).shape
        torch.Size([2, 196, 8])
    """

    def __init__(
        self,
        channels: int,
        codewords: int = 32,
        *,
        total: bool = False,
        residual: bool = True,
        signed: bool = True,
        average: bool = False,
        mix: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        whole(channels=channels, codewords=codewords)
        for name, value in (("channels", channels), ("codewords", codewords)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.channels, self.codewords = channels, codewords
        self.total, self.residual, self.signed = total, residual, signed
        self.average, self.mix = average, mix
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        if mix:
            self.mixing = nn.Conv2d(channels, channels, 1, bias=False, **factory)
            self.norm = nn.BatchNorm2d(channels, **factory)
        self.words = nn.Parameter(torch.empty(codewords, channels, **factory))
        self.smoothing = nn.Parameter(torch.empty(codewords, **factory))
        self.code_norm = nn.BatchNorm1d(codewords, **factory)
        self.expand = nn.Linear(channels, channels, **factory)
        self._draw_codebook()

    def _draw_codebook(self) -> None:
        bound = (self.codewords * self.channels) ** -0.5
        nn.init.uniform_(self.words, -bound, bound)
        nn.init.uniform_(self.smoothing, -1.0, 0.0)

    def reset_parameters(self) -> None:
        """Draw everything anew: codewords within 1 / sqrt(k c), smoothing from -1 to 0."""
        if self.mix:
            self.mixing.reset_parameters()
            self.norm.reset_parameters()
        self.code_norm.reset_parameters()
        self.expand.reset_parameters()
        self._draw_codebook()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) and can be normalised."""
        validate_features(x, self.channels)
        b, c, h, w = x.shape
        if self.mix:
            check_statistics(self.norm, "norm", b * h * w, x)
        check_statistics(self.code_norm, "code_norm", b * c, x)

    def features(self, x: Tensor) -> Tensor:
        """Equation (1): the vectors u, (b, n, c), in float32 at least."""
        u = F.relu(self.norm(self.mixing(x))) if self.mix else x
        return u.to(at_least_single(u)).flatten(2).mT

    def factors(self) -> Tensor:
        """The smoothing factors tau, (k,)."""
        tau = self.smoothing.to(at_least_single(self.smoothing))
        return tau if self.signed else -F.softplus(tau)

    def assignments(self, x: Tensor) -> Tensor:
        """Equation (2): (b, n, k), rows add up to one; position h, w stands at row w + W h."""
        u = self.features(x)
        with exact(x):
            return assign(u, self.words.to(u.dtype), self.factors().to(u.dtype))

    def code(self, x: Tensor) -> Tensor:
        """Equations (1) to (4): the code e of each image, (b, c), in float32 at least."""
        u = self.features(x)
        with exact(x):
            sums = encode(u, self.words.to(u.dtype), self.factors().to(u.dtype))
            if self.average:
                sums = sums / u.shape[1]
            parts = F.relu(self.code_norm(accepted(self.code_norm, sums)))
            return parts.sum(dim=1) if self.total else parts.mean(dim=1)

    def gates(self, code: Tensor) -> Tensor:
        """The gates s of (5) from the code, (b, c)."""
        with exact(code):
            return torch.sigmoid(self.expand(accepted(self.expand, code)))

    def g(self, x: Tensor) -> Tensor:
        """The gates s, (b, c)."""
        return self.gates(self.code(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        gated = scale(weights.to(x.dtype), x)
        return F.relu(x + gated) if self.residual else gated

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"codewords": 32, "total": False, "residual": True, "signed": True,
                 "average": False, "mix": True}  # fmt: skip
        parts = [f"{name}={getattr(self, name)}" for name in usual
                 if getattr(self, name) != usual[name]]  # fmt: skip
        return ", ".join([str(self.channels), *parts])


def parameter_count(
    channels: int, codewords: int = 32, *, mix: bool = True, **switches: object
) -> int:
    """Learned parameters: mixing, codebook, smoothing, the gates' layer and normalisations."""
    del switches
    c, k = channels, codewords
    mixing = c * c + 2 * c if mix else 0
    return mixing + k * c + 3 * k + c * c + c


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    codewords: int = 32,
    *,
    total: bool = False,
    mix: bool = True,
    **switches: object,
) -> int:
    """Multiply-adds for one image: mixing, distances, assignments, sums, gates and their use."""
    del switches
    c, k, n = channels, codewords, height * width
    mixing = c * c * n if mix else 0
    distances = (2 * c + k * c + k) * n  # squares and their sums, products, times the factors
    sums = (k * c + k) * n
    once = 5 * k * c  # the codewords' mean, squares and their sums, times assignments, over k
    return mixing + distances + sums + once + c * c + c * n


CARD = Card(
    stem="context_encoding",
    title="EncNet",
    category="channel",
    module=ContextEncoding,
    key="zhang2018encnet",
    authors="Zhang, Dana, Shi, Zhang, Wang, Tyagi, Agrawal",
    venue="CVPR",
    year=2018,
    decides="s = σ(W_2 e + b_2), e = mean_k δ(BN(e_k)), e_k = Σ_i a_ik (u_i − d_k)",
    applies="y = δ(x + s ⊙ x)",
    weights="b c",
    parameters=parameter_count,
    parameters_formula="2C² + KC + 3C + 3K",
    macs=multiply_adds,
    macs_formula="(C² + 2KC + 3C + 2K)HW + C² + 5KC",
    memory="C mixed features and K assignments at every position",
    growth="N",
)
