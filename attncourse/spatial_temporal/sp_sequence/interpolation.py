r"""CLI, cross-frame local interpolation of SpSequenceNet (Shi et al., 2020).

Equations, numbered as in the chapter ``spatial_temporal/sp_sequence``:

.. math::
    w_{ij} &= \frac12 - \min\Bigl(\frac{\lVert a_i - a'_j \rVert}{2\rho}, \frac12\Bigr)
            = \frac12 \max\Bigl(0,\, 1 - \frac{\lVert a_i - a'_j \rVert}{\rho}\Bigr)     & (3)\\
    q_i &= \sum_{j \in \mathcal{N}(i)} w_{ij}\, p_j                                     & (4)\\
    y_i &= V_2\, \delta\bigl(\mathrm{BN}(V_1 [x_i; q_i])\bigr)                          & (5)

==========  ===========  ================================================================
symbol      shape        meaning
==========  ===========  ================================================================
a, a'       b 3 n        positions of the present points i and of the points before, j
N(i)        b n k        the k points before that are nearest to point i
rho         number       the radius: what is as far, or farther, has the weight 0
w           b n k        weights from 0 to 1/2, which do not add up to 1
p, x        b c n        features of the frame before, and of the present one
q           b c n        what stood there before
V_1, V_2    c 2c, c c    two layers on each point alone, without biases
y           b c n        the present frame with what stood there before
==========  ===========  ================================================================

Paper against code: the definition is read from the authors' code, ``dante0shy/SpSequenceNet``,
which measures positions in voxels of its deepest level, divides distances by 32, which is a radius
of 16 voxels, and takes three neighbours, or as many as there are, where this package refuses fewer.
Its distances come from products of matrices; here they are differences, without cancellation.
Of points that are equally near any may count.  The layers start by PyTorch's defaults.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.layers import accepted, check_statistics, positive
from attncourse.precision import at_least_single
from attncourse.spatial_temporal.sp_sequence.frames import validate_frames

#: Coordinates of a position; they stand before the features.
AXES = 3


def parameter_count(channels: int, neighbours: int = 3, radius: float = 16.0) -> int:
    """Learned parameters: c x 2c and c x c weights, and 2 c of the normalisation."""
    del radius
    positive(channels=channels, neighbours=neighbours)
    return 3 * channels * channels + 2 * channels


def multiply_adds(t: int, n: int, channels: int, neighbours: int = 3, radius: float = 16.0) -> int:
    """Multiply-adds for one pair of frames of n points.

    k c for every point to interpolate, 3 k for its distances, 3 c^2 for the layers.  The n^2
    squared distances that find the neighbours are taken without a product that counts.
    """
    del t, radius
    return (neighbours * channels + AXES * neighbours + 3 * channels * channels) * n


@torch.no_grad()
def nearest(
    now: Float[Tensor, "b 3 n"], before: Float[Tensor, "b 3 m"], neighbours: int
) -> Int[Tensor, "b n k"]:
    """Of each present point, which points before are nearest, the nearest first.

    Holds the n m squared distances, in float32 at least, and no gradient.
    """
    kind = at_least_single(now)
    one, two = now.to(kind), before.to(kind)
    total = one.new_zeros(())
    for axis in range(AXES):
        total = total + (one[:, axis, :, None] - two[:, axis, None, :]) ** 2
    return total.topk(neighbours, dim=2, largest=False).indices


def taken(values: Float[Tensor, "b c m"], index: Int[Tensor, "b n k"]) -> Float[Tensor, "b c n k"]:
    """``values[b, c, index[b, n, k]]``."""
    rows = index.flatten(1)[:, None].expand(-1, values.shape[1], -1)
    return values.gather(2, rows).unflatten(2, index.shape[1:])


def apart(
    now: Float[Tensor, "b 3 n"], before: Float[Tensor, "b 3 m"], index: Int[Tensor, "b n k"]
) -> Float[Tensor, "b n k"]:
    """How far each present point is from the points before of ``index``, in float32 at least."""
    kind = at_least_single(now)
    return torch.linalg.vector_norm(now.to(kind)[..., None] - taken(before.to(kind), index), dim=1)


def cone(
    now: Float[Tensor, "b 3 n"],
    before: Float[Tensor, "b 3 m"],
    index: Int[Tensor, "b n k"],
    radius: float = 16.0,
) -> Float[Tensor, "b n k"]:
    """Equation (3): half where both points coincide, and 0 from ``radius`` on."""
    return 0.5 - (apart(now, before, index) / (2 * radius)).clamp(max=0.5)


def interpolate(
    weights: Float[Tensor, "b n k"], index: Int[Tensor, "b n k"], before: Float[Tensor, "b c m"]
) -> Float[Tensor, "b c n"]:
    """Equation (4): the sum of the neighbours' features, each times its weight."""
    return torch.einsum("bnk,bcnk->bcn", weights.to(before.dtype), taken(before, index))


def local_interpolation_reference(
    x: Float[Tensor, "b d 2 n"],
    v1: Float[Tensor, "c e"],
    v2: Float[Tensor, "c c"],
    norm: tuple[Tensor, Tensor],
    neighbours: int = 3,
    radius: float = 16.0,
) -> Float[Tensor, "b c n"]:
    """Equations (3) to (5), one pair of points at a time.

    ``norm`` has the factor and the shift of each channel that batch normalisation is in eval mode.
    """
    factor, shift = norm
    scenes = []
    for scene in x:
        before, now = scene[:, 0], scene[:, 1]
        columns = []
        for i in range(now.shape[1]):
            distances = [
                (now[:AXES, i] - before[:AXES, j]).square().sum().sqrt()
                for j in range(before.shape[1])
            ]
            order = sorted(range(len(distances)), key=lambda j: float(distances[j].detach()))
            q = torch.zeros_like(now[AXES:, i])
            for j in order[:neighbours]:
                weight = (1 - distances[j] / radius).clamp(min=0) / 2  # (3)
                q = q + weight * before[AXES:, j]  # (4)
            joined = torch.cat([now[AXES:, i], q])
            units = [sum(v * e for v, e in zip(row, joined, strict=True)) for row in v1]
            hidden = [(factor[c] * unit + shift[c]).clamp(min=0) for c, unit in enumerate(units)]
            columns.append(
                torch.stack([sum(v * e for v, e in zip(row, hidden, strict=True)) for row in v2])
            )  # (5)
        scenes.append(torch.stack(columns, dim=1))
    return torch.stack(scenes)


class CrossFrameLocalInterpolation(Attention):
    r"""Join each present point with the nearest points of the frame before.

    .. math:: y_i = V_2\, \delta(\mathrm{BN}(V_1 [x_i; q_i])), \qquad
        q_i = \tfrac12 \sum_{j \in \mathcal{N}(i)}
        \max(0, 1 - \lVert a_i - a'_j \rVert / \rho)\, p_j

    Source: Shi, Lin, Wang, Hung and Wang, *SpSequenceNet: Semantic Segmentation Network on 4D
    Point Clouds*, CVPR 2020, and the authors' code.  Both frames have n points here;
    :func:`nearest`, :func:`cone` and :func:`interpolate` take frames of two sizes.

    Args:
        channels: number of feature channels c of both frames, beside the three coordinates.
        neighbours: how many points before are looked at, k.
        radius: from which distance on a point before counts for nothing, in units of positions.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, 3 + c, 2, n)`, positions first, the frame before first
        - y: :math:`(b, c, n)`
        - weights: of the neighbours, :math:`(b, n, k)`, from 0 to 1/2, and which they are

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> block = CrossFrameLocalInterpolation(32, radius=0.5)
        >>> y, (w, index) = block(torch.randn(2, 3 + 32, 2, 100), need_weights=True)
        >>> y.shape, w.shape, index.shape
        (torch.Size([2, 32, 100]), torch.Size([2, 100, 3]), torch.Size([2, 100, 3]))
        >>> sum(w.numel() for w in block.parameters())
        3136
    """

    def __init__(
        self,
        channels: int,
        neighbours: int = 3,
        radius: float = 16.0,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        positive(channels=channels, neighbours=neighbours)
        if not radius > 0:
            raise ValueError(f"radius={radius} must be a positive number")
        self.channels, self.neighbours, self.radius = channels, neighbours, radius
        factory: Any = {"device": device, "dtype": dtype}
        self.first = nn.Conv1d(2 * channels, channels, 1, bias=False, **factory)
        self.norm = nn.BatchNorm1d(channels, **factory)
        self.second = nn.Conv1d(channels, channels, 1, bias=False, **factory)

    def reset_parameters(self) -> None:
        """Draw both layers anew, by PyTorch's defaults, and set the normalisation back."""
        for layer in (self.first, self.norm, self.second):
            layer.reset_parameters()

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, 3 + channels, 2, n) with enough points."""
        what = f"3 coordinates and channels={self.channels}"
        validate_frames(x, AXES + self.channels, what, self.neighbours)
        norm: nn.Module | None = getattr(self, "norm", None)
        check_statistics(norm, "norm", x.shape[0] * x.shape[3], x)

    def g(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the neighbours, (b, n, k), and which they are."""
        before, now = x[:, :AXES, 0], x[:, :AXES, 1]
        index = nearest(now, before, self.neighbours)
        return cone(now, before, index, self.radius), index

    def f(self, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        """The present frame, joined with what stood there before, (b, c, n)."""
        before, now = x[:, AXES:, 0], x[:, AXES:, 1]
        both = torch.cat([now, interpolate(*weights, before)], dim=1)
        units = self.first(accepted(self.first, both))
        hidden = F.relu(self.norm(accepted(self.norm, units)))
        return self.second(accepted(self.second, hidden))

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        usual = {"neighbours": 3, "radius": 16.0}
        own = {name: getattr(self, name) for name in usual}
        differs = [f"{name}={value}" for name, value in own.items() if value != usual[name]]
        return ", ".join([str(self.channels), *differs])


CARD = Card(
    stem="local_interpolation",
    title="CLI",
    category="spatial_temporal",
    module=CrossFrameLocalInterpolation,
    key="shi2020spsequencenet",
    authors="Shi, Lin, Wang, Hung, Wang",
    venue="CVPR",
    year=2020,
    decides="wᵢⱼ = max(0, 1 − ‖aᵢ − a′ⱼ‖ / ρ) / 2, j among the nearest k",
    applies="y = V₂ δ(BN(V₁ [x; Σⱼ wᵢⱼ pⱼ]))",
    weights="b n k, b n k",
    parameters=parameter_count,
    parameters_formula="3C² + 2C",
    macs=multiply_adds,
    macs_formula="(3C² + 3C + 9)N",
    memory="N × N squared distances, to find the nearest",
    growth="N²",
    drop_in=False,
    input="b c t n",
    within="sp_sequence",
)
