r"""Non-local networks (Wang, Girshick, Gupta and He, 2018; key ``wang2018nonlocal``).

Equations, numbered as in the chapter ``spatial/non_local``:

.. math::
    y_i &= \frac{1}{\mathcal{C}(x)} \sum_j f(x_i, x_j)\, g(x_j)                 & (1)\\
    z_i &= W_z\, y_i + x_i                                                      & (2)\\
    f_{\text{Gaussian}} &= e^{x_i^\top x_j}, \quad \mathcal{C} = \textstyle\sum_j f & (3)\\
    f_{\text{embedded}} &= e^{\theta_i^\top \phi_j}, \quad \mathcal{C} = \textstyle\sum_j f & (4)\\
    f_{\text{dot}} &= \theta_i^\top \phi_j, \quad \mathcal{C} = m               & (5)\\
    f_{\text{concat}} &= \delta(w^\top [\theta_i; \phi_j]), \quad \mathcal{C} = m & (6)

=================  ===========  =====================================================
symbol             shape        meaning
=================  ===========  =====================================================
x                  b c h w      input features, or clips b c t h w
n, m               -            positions that ask, positions that are asked
theta, phi, g      d c          projections to d = max(1, c // r), each with a bias
w                  2d           of the concatenation, without a bias
A                  b n m        f / C: the attention g(x) of the course
W_z                c d          projection back, with a bias
y                  b n d        what was read
z                  as x         output
=================  ===========  =====================================================

Paper, authors' code and default here:

* The paper's embedded Gaussian is not scaled; the authors' code divides the logits by the root of
  d.  ``scale=False`` is the default.
* Batch normalisation with a scale of zero stands behind W_z in both; with ``norm=False`` W_z
  itself starts at zero, which the code offers for frozen batch normalisation.
* ``subsample=True`` pools x before phi and g, as the authors' code does.  Pooling after them, as
  other implementations do, is another function.  The code's default is on; here it is off, because
  pooling breaks the symmetry under permutations of positions.
* The authors' code has the softmax and the dot product only, and draws theta, phi and g with a
  spread of 0.01; here all layers start from PyTorch's default.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.layers import accepted, check_statistics, is_plain, whole
from attncourse.spatial.non_local.pairwise import MODES, project


class NonLocal(Attention):
    r"""Let every position read a weighted sum over all positions.

    .. math:: z_i = W_z\,\frac{1}{\mathcal{C}(x)} \sum_j f(x_i, x_j)\, g(x_j) + x_i

    Source: Wang, Girshick, Gupta and He, *Non-local Neural Networks*, CVPR 2018, arXiv 1711.07971.
    It stands behind a residual block, and starts as the identity.

    The fused kernel of ``embedded_gaussian`` has no second derivative: for gradient penalties and
    Hessians call the block with ``need_weights=True``.  The forms without a softmax grow with the
    cube of the features, and leave the range of float16 where bfloat16 still holds them.
    ``model.apply(draw)``, with a ``draw`` that fills every linear layer, undoes the start as the
    identity with ``norm=False``; ``reset_parameters()`` restores it.  Forward-mode derivatives
    need ``need_weights=True`` as well, because torch has none of its fused kernel.  On a GPU,
    ``torch.use_deterministic_algorithms(True)`` may refuse the sums of ``concatenation``
    (``cumsum``), depending on torch's version; ``need_weights=True`` does without them.

    Args:
        channels: number of channels c of the input.
        reduction: divisor r of the embedding's width, ``max(1, c // r)``.
        mode: the pairwise function: ``gaussian``, ``embedded_gaussian``, ``dot_product`` or
            ``concatenation``.
        scale: divide the logits by the root of their width; only for the two Gaussians.
        subsample: let keys and values read a map that is max-pooled by 2 along rows and columns.
        norm: batch normalisation behind W_z, with a scale of zero at first; without it W_z starts
            at zero.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)` or :math:`(b, c, t, h, w)`, any number of positions
        - z: the same
        - weights: :math:`(b, n, m)`, one row for each of the n positions; m = n, or the number of
          pooled positions

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = NonLocal(64)
        >>> z, weights = block(torch.randn(2, 64, 8, 6), need_weights=True)
        >>> z.shape, weights.shape
        (torch.Size([2, 64, 8, 6]), torch.Size([2, 48, 48]))
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 2,
        *,
        mode: str = "embedded_gaussian",
        scale: bool = False,
        subsample: bool = False,
        norm: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        if mode not in MODES:
            raise ValueError(f"mode={mode!r} is unknown: choose one of {', '.join(MODES)}")
        if scale and not MODES[mode].scales:
            raise ValueError(
                f"scale=True does not suit mode={mode!r}, which has no softmax: leave it out"
            )
        self.channels, self.reduction, self.hidden_channels = channels, reduction, hidden
        self.mode, self.scale, self.subsample = mode, scale, subsample
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.pairwise = MODES[mode](channels, hidden, scale, **factory)
        self.value = nn.Linear(channels, hidden, **factory)
        self.out = nn.Linear(hidden, channels, **factory)
        self.norm = nn.BatchNorm1d(channels, **factory) if norm else None
        self._shut()

    def reset_parameters(self) -> None:
        """Draw all layers anew from PyTorch's default, and make the block the identity."""
        for layer in (*self.pairwise.children(), self.value, self.out):
            assert isinstance(layer, nn.Linear)
            layer.reset_parameters()
        if self.norm is not None:
            self.norm.reset_parameters()
        self._shut()

    def _shut(self) -> None:
        """Zero what comes last: the scale and shift of the normalisation, or else W_z."""
        last = self.out if self.norm is None else self.norm
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) or (b, channels, t, h, w)."""
        if x.ndim not in (4, 5):
            remedy = "add a batch axis with x[None]" if x.ndim == 3 else "reshape it"
            raise ValueError(
                f"x must have the shape (b, c, h, w) or (b, c, t, h, w), got {x.ndim} axes "
                f"{tuple(x.shape)}: {remedy}"
            )
        if x.shape[1] != self.channels:
            raise ValueError(
                f"x has {x.shape[1]} channels (shape {tuple(x.shape)}), but this block was built "
                f"for channels={self.channels}: build it with channels={x.shape[1]}, or move the "
                f"channel axis to position 1 with x.movedim(-1, 1)"
            )
        if 0 in x.shape[2:]:
            raise ValueError(
                f"x has no positions (shape {tuple(x.shape)}): there is nothing to read; pass at "
                f"least one along every axis"
            )
        check_statistics(self.norm, "norm", x.numel() // self.channels, x)

    def keys(self, x: Tensor) -> Tensor:
        """The tokens that are read, (b, m, c): all of x, or x pooled by 2 in rows and columns.

        A last odd row or column is left out; an axis of length 1 stays, and time is not pooled.
        """
        if not self.subsample:
            return tokens(x)
        window = [min(2, size) for size in x.shape[-2:]]
        if x.ndim == 4:
            return tokens(F.max_pool2d(x, window))
        return tokens(F.max_pool3d(x, [1, *window]))

    def g(self, x: Tensor) -> Tensor:
        """The attention A, (b, n, m): row i says where position i looks."""
        return self.pairwise.g(tokens(x), self.keys(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """Values of the keys, read with ``weights``, projected back and added to ``x``."""
        value = project(self.keys(x), self.value)
        return self._added(weights.to(value.dtype) @ value, x)

    def attend(self, x: Tensor) -> Tensor:
        """The same without A."""
        queries = tokens(x)
        # Positions that read themselves are named as such, for some forms need half the products
        # then; a subclass with other keys keeps them, however many they are.
        own = not self.subsample and type(self).keys is NonLocal.keys
        keys = queries if own else self.keys(x)
        return self._added(self.pairwise(queries, keys, self.value), x)

    def _added(self, y: Tensor, x: Tensor) -> Tensor:
        """Equation (2), from what was read, (b, n, d)."""
        y = accepted(self.out, y)
        if is_plain(self.out, nn.Linear):  # straight into (b, c, n), the layout of x
            weight = self.out.weight.expand(y.shape[0], -1, -1)
            z = torch.baddbmm(self.out.bias[:, None], weight, y.mT)
        else:
            z = self.out(y).mT
        z = z if self.norm is None else self.norm(z)
        return x + z.to(x.dtype).unflatten(2, x.shape[2:])

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        parts += [f"reduction={self.reduction}"] if self.reduction != 2 else []
        parts += [f"mode={self.mode}"] if self.mode != "embedded_gaussian" else []
        parts += [f"{name}=True" for name in ("scale", "subsample") if getattr(self, name)]
        return ", ".join(parts + (["norm=False"] if self.norm is None else []))


def tokens(x: Tensor) -> Tensor:
    """(b, c, ...) as (b, n, c), positions in reading order; a view where there is one."""
    return x.flatten(2).mT


def hidden_width(channels: int, reduction: int = 2) -> int:
    """Width d of embeddings and values: ``channels // reduction``, at least 1."""
    whole(channels=channels, reduction=reduction)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    return max(1, channels // reduction)


def parameter_count(
    channels: int,
    reduction: int = 2,
    *,
    mode: str = "embedded_gaussian",
    scale: bool = False,
    subsample: bool = False,
    norm: bool = True,
) -> int:
    """Learned parameters: those of the pairwise function, of g and W_z, and of the norm."""
    del scale, subsample  # neither has any
    d = hidden_width(channels, reduction)
    shared = 2 * channels * d + d + channels + (2 * channels if norm else 0)
    return MODES[mode].parameter_count(channels, d) + shared


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    reduction: int = 2,
    *,
    mode: str = "embedded_gaussian",
    scale: bool = False,
    subsample: bool = False,
    norm: bool = True,
) -> int:
    """Multiply-adds for one image, read in the fast form; a clip has t times as many rows."""
    del scale, norm  # A scalar factor and a normalisation are not counted.
    d, n = hidden_width(channels, reduction), height * width
    m = max(1, height // 2) * max(1, width // 2) if subsample else n
    return MODES[mode].multiply_adds(n, m, channels, d) + n * channels * d


CARD = Card(
    stem="non_local",
    title="Non-local networks",
    category="spatial",
    module=NonLocal,
    key="wang2018nonlocal",
    authors="Wang, Girshick, Gupta, He",
    venue="CVPR",
    year=2018,
    decides="A = softmax(θ(x)ᵀ φ(x))",
    applies="z = W_z A g(x) + x",
    weights="b n m",
    parameters=parameter_count,
    parameters_formula="2C² + 4½C",
    macs=multiply_adds,
    macs_formula="2NC² + N²C",
    memory="3NC/2, never N²",
    growth="CN",
)
