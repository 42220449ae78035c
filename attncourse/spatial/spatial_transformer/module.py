r"""Spatial transformers (Jaderberg et al., 2015; key ``jaderberg2015stn``).

Equations, numbered as in the chapter ``spatial/spatial_transformer``:

.. math::
    \theta &= f_{loc}(x)                                                              & (1)\\
    \begin{pmatrix} x^s_i \\ y^s_i \end{pmatrix}
        &= A_\theta \begin{pmatrix} x^t_i \\ y^t_i \\ 1 \end{pmatrix}                 & (2)\\
    y_{c,i} &= \sum_{n,m} x_{c,n,m}\, k(x^s_i - m)\, k(y^s_i - n),
        \qquad k(u) = \max(0, 1 - |u|)                                                & (4)

==========  ===========  =====================================================================
symbol      shape        meaning
==========  ===========  =====================================================================
x           b c h w      image or features
theta       b M          parameters of the warp; M = 6 for an affine one
(xt, yt)    h w 2        target points: the output's pixels, normalised to [-1, 1]
(xs, ys)    b h w 2      source points, where the input is read: the attention g(x)
k           -            bilinear kernel; (4) is in units of pixels, see ``to_pixels``
y           b c h w      resampled features f(g(x), x)
==========  ===========  =====================================================================

The paper leaves three things open.  How -1 and 1 lie on the pixels: here on the outer edges
(``align_corners=False``, PyTorch's default since 1.3), or on the centres of the corner pixels.
The sub-gradient of k at whole pixels: the printed case rule returns the pixel itself there;
here it is the difference to the right, as in PyTorch.  The localisation network: here moments
of two convolutions, see ``localisation``; hand in your own with
``localisation``.  Outside the image there are zeros, as in (4); some libraries repeat the border.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import accepted, whole
from attncourse.precision import at_least_single, exact
from attncourse.spatial.spatial_transformer import localisation as localisations
from attncourse.spatial.spatial_transformer.localisation import MomentLocalisation
from attncourse.spatial.spatial_transformer.sampler import (
    bilinear_sample,
    target_points,
)
from attncourse.spatial.spatial_transformer.warps import Affine, Warp
from attncourse.transforms import as_given

Size = tuple[int, int]


class SpatialTransformer(Attention):
    r"""Read the whole input through one warp that depends on it.

    .. math:: y_{c,i} = \sum_{n,m} x_{c,n,m}\, k(x^s_i - m)\, k(y^s_i - n), \qquad
              (x^s_i, y^s_i) = T_{\theta}(x^t_i, y^t_i), \quad \theta = f_{loc}(x)

    Source: Jaderberg, Simonyan, Zisserman and Kavukcuoglu, *Spatial Transformer Networks*,
    NIPS 2015, arXiv 1506.02025.  It starts as the identity: the last layer's weights are zero,
    its biases are the identity warp.  ``model.apply(draw)``, with a ``draw`` that fills every
    linear layer, undoes that; ``reset_parameters()`` restores it.

    On a GPU the backward pass of ``grid_sample`` adds up in an order that changes from run to run,
    and ``torch.use_deterministic_algorithms(True)`` refuses it where torch has no other; the
    explicit form, ``need_weights=True``, reads by ``gather`` in its place.  Torch has no
    forward-mode derivative of ``grid_sample``; the explicit form has one.

    Args:
        channels: number of channels c of the input.
        hidden_channels: width d of the default localisation network.
        features: how many numbers the localisation network gives; a linear layer makes the
            warp's parameters of them.
        warp: what family of warps; ``Affine()``, ``Similarity()``, ``Translation()``,
            ``Rotation()``, ``Projective()``, ``ThinPlateSpline(4)`` or your own :class:`Warp`.
        out_size: rows and columns of the output; by default those of the input.
        align_corners: whether -1 and 1 are the centres of the corner pixels, or their edges.
        localisation: module (b, channels, h, w) -> (b, features), in place of the default.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, c, h, w)`, or :math:`(b, c, h', w')` with ``out_size``
        - weights: :math:`(b, h, w, 2)`, the source point (x, y) of every output pixel

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = SpatialTransformer(3)
        >>> y, grid = block(torch.randn(2, 3, 8, 9), need_weights=True)
        >>> y.shape, grid.shape
        (torch.Size([2, 3, 8, 9]), torch.Size([2, 8, 9, 2]))
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int = 8,
        *,
        features: int = 32,
        warp: Warp = Affine(),  # noqa: B008  (frozen)
        out_size: Size | None = None,
        align_corners: bool = False,
        localisation: nn.Module | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        whole(channels=channels, hidden_channels=hidden_channels, features=features)
        whole(out_size=out_size or ())
        if channels < 1:
            raise ValueError(f"channels={channels} must be at least 1")
        if out_size is not None and (len(out_size) != 2 or min(out_size) < 1):
            raise ValueError(f"out_size={out_size} must be (rows, columns), both at least 1")
        self.channels, self.hidden_channels, self.features = channels, hidden_channels, features
        self.warp, self.out_size, self.align_corners = warp, out_size, align_corners
        if localisation is None:  # an empty ``nn.Sequential`` is false, and a module all the same
            localisation = MomentLocalisation(
                channels, hidden_channels, features, device=device, dtype=dtype
            )
        self.localisation = localisation
        self.regress = nn.Linear(features, warp.size, device=device, dtype=dtype)
        self._start_as_identity()

    def reset_parameters(self) -> None:
        """Draw the localisation network anew, and make the warp the identity again."""
        reset = getattr(self.localisation, "reset_parameters", None)
        if callable(reset):
            reset()
        # The linear layer's own draw is thrown away, but it moves the random numbers that follow.
        self.regress.reset_parameters()
        self._start_as_identity()

    def _start_as_identity(self) -> None:
        with torch.no_grad():
            self.regress.weight.zero_()
            self.regress.bias.copy_(torch.tensor(self.warp.identity, dtype=torch.float64))

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def theta(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b M"]:
        """Equation (1): the parameters of every image's warp, in float32 or better."""
        features = self.localisation(x)
        if features.ndim != 2 or features.shape[1] != self.features:
            raise ValueError(
                f"localisation gives the shape {tuple(features.shape)} for x of shape "
                f"{tuple(x.shape)}, but this block was built for (b, {self.features}): flatten it "
                f"to two axes, and build the block with features={features[0].numel()}"
            )
        # In bfloat16 neighbouring columns of a wide image have the same coordinate.
        with exact(x):
            theta = self.regress(accepted(self.regress, features))
            return theta.to(at_least_single(theta))

    def g(self, x: Tensor) -> Tensor:
        """Equations (1) and (2): where each output pixel is read, (b, h, w, 2)."""
        theta = self.theta(x)
        rows, columns = self.out_size or x.shape[2:]
        with exact(x):
            points = target_points(rows, columns, align_corners=self.align_corners, like=theta)
            return self.warp.grid(theta, points)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """Equation (4), corner by corner, (b, c, h, w)."""
        return as_given(x, bilinear_sample(x.to(weights.dtype), weights, self.align_corners))

    def attend(self, x: Tensor) -> Tensor:
        """``f(g(x), x)`` in one kernel, which keeps no corner for the backward pass."""
        grid = self.g(x)
        y = F.grid_sample(x.to(grid.dtype), grid, align_corners=self.align_corners)
        return as_given(x, y)

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        parts = [str(self.channels)]
        defaults = {"hidden_channels": 8, "features": 32, "warp": Affine(), "out_size": None}
        for name, default in (defaults | {"align_corners": False}).items():
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def parameter_count(
    channels: int,
    hidden_channels: int = 8,
    *,
    features: int = 32,
    warp: Warp = Affine(),  # noqa: B008
    out_size: Size | None = None,
    align_corners: bool = False,
) -> int:
    """Learned parameters with the default localisation network; the sampler has none."""
    del out_size, align_corners
    found = localisations.parameter_count(channels, hidden_channels, features)
    return found + (features + 1) * warp.size


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    hidden_channels: int = 8,
    *,
    features: int = 32,
    warp: Warp = Affine(),  # noqa: B008
    out_size: Size | None = None,
    align_corners: bool = False,
) -> int:
    """Multiply-adds for one image: localisation, grid, and four a value that is read."""
    del align_corners
    rows, columns = out_size or (height, width)
    found = localisations.multiply_adds(height, width, channels, hidden_channels, features)
    found += features * warp.size + warp.multiply_adds(rows * columns)
    return found + 4 * channels * rows * columns


CARD = Card(
    stem="spatial_transformer",
    title="Spatial transformers",
    category="spatial",
    module=SpatialTransformer,
    key="jaderberg2015stn",
    authors="Jaderberg, Simonyan, Zisserman, Kavukcuoglu",
    venue="NIPS",
    year=2015,
    decides="(xˢ, yˢ) = T_θ(xᵗ, yᵗ), θ = f_loc(x)",
    applies="y = Σ x(n, m) k(xˢ − m) k(yˢ − n)",
    weights="b h w 2",
    parameters=parameter_count,
    parameters_formula="those of f_loc; here 25Cd + 18d² + 3d + (6d + 1)q + (q + 1)M",
    macs=multiply_adds,
    macs_formula="f_loc + 4HW + 4CHW",
    memory="the grid: 2HW numbers",
    growth="N",
)
