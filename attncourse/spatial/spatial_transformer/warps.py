"""The warps of a spatial transformer: from a few numbers to a source point for every pixel.

A warp maps *output* points to *input* points.  It knows how many numbers it takes, which of
them are the identity, and two ways to the same grid: all points at once, and one at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

Points = Float[Tensor, "h w 2"]
Grid = Float[Tensor, "b h w 2"]
Theta = Float[Tensor, "b M"]


class Warp(ABC):
    """A family of warps with ``size`` parameters."""

    #: What the parameters are at the start.
    identity: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of parameters, M."""
        return len(self.identity)

    @abstractmethod
    def grid(self, theta: Theta, points: Points) -> Grid:
        """The source point of every target point, for every row of ``theta``."""

    @abstractmethod
    def point(self, theta: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The source point of one target point, straight from the equation; ``theta`` is (M,)."""

    @abstractmethod
    def multiply_adds(self, points: int) -> int:
        """Multiply-adds of :meth:`grid` for one image with that many points."""


@dataclass(frozen=True)
class Affine(Warp):
    """Equation (2): six numbers, a 2 x 3 matrix row by row."""

    identity: tuple[float, ...] = field(
        default=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), init=False, repr=False, compare=False
    )

    def matrix(self, theta: Theta) -> Float[Tensor, "b 2 3"]:
        """The matrix that the parameters stand for."""
        return theta.unflatten(1, (2, 3))

    def grid(self, theta: Theta, points: Points) -> Grid:
        """One product of matrices for all points."""
        matrix = self.matrix(theta)
        turned = points.flatten(0, 1) @ matrix[:, :, :2].mT
        return (turned + matrix[:, None, :, 2]).unflatten(1, points.shape[:2])

    def point(self, theta: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Row by row."""
        (a, b, c), (d, e, f) = self.matrix(theta[None])[0]
        return a * x + b * y + c, d * x + e * y + f

    def multiply_adds(self, points: int) -> int:
        """Four a point; the last column is only added."""
        return 4 * points


class Similarity(Affine):
    """Four numbers: logarithm of the scale, angle, two shifts."""

    identity = (0.0, 0.0, 0.0, 0.0)

    def matrix(self, theta: Theta) -> Float[Tensor, "b 2 3"]:
        """Scale times rotation, and the shifts."""
        scale, angle, x, y = theta.unbind(1)
        cos, sin = scale.exp() * angle.cos(), scale.exp() * angle.sin()
        return torch.stack([cos, -sin, x, sin, cos, y], dim=1).unflatten(1, (2, 3))

    def multiply_adds(self, points: int) -> int:
        """Two more an image, for scale times cosine and sine."""
        return 4 * points + 2


@dataclass(frozen=True)
class Rotation(Affine):
    """One number: the angle, counted from the x axis towards the y axis, which points down."""

    identity = (0.0,)

    def matrix(self, theta: Theta) -> Float[Tensor, "b 2 3"]:
        """A rotation about the centre."""
        cos, sin, zero = theta[:, 0].cos(), theta[:, 0].sin(), torch.zeros_like(theta[:, 0])
        return torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).unflatten(1, (2, 3))


@dataclass(frozen=True)
class Translation(Affine):
    """Two numbers: the shifts."""

    identity = (0.0, 0.0)

    def matrix(self, theta: Theta) -> Float[Tensor, "b 2 3"]:
        """The unit matrix, and the shifts."""
        one, zero = torch.ones_like(theta[:, 0]), torch.zeros_like(theta[:, 0])
        x, y = theta.unbind(1)
        return torch.stack([one, zero, x, zero, one, y], dim=1).unflatten(1, (2, 3))


@dataclass(frozen=True)
class Projective(Warp):
    """Equation (9): eight numbers, a 3 x 3 matrix row by row without its last entry, 1.

    Where the denominator is nearer to zero than ``nearest``, it is held there: such points lie
    on the horizon and are read far outside the image, as zero.
    """

    identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    nearest: ClassVar[float] = 1e-6

    def grid(self, theta: Theta, points: Points) -> Grid:
        """A product of matrices, then a division."""
        linear = torch.stack([theta[:, 0:2], theta[:, 3:5], theta[:, 6:8]], dim=1)
        added = torch.stack([theta[:, 2], theta[:, 5], torch.ones_like(theta[:, 0])], dim=1)
        x, y, depth = (points.flatten(0, 1) @ linear.mT + added[:, None]).unbind(2)
        depth = self._held(depth)
        return torch.stack([x / depth, y / depth], dim=2).unflatten(1, points.shape[:2])

    def point(self, theta: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Numerators over the one denominator."""
        a, b, c, d, e, f, g, h = theta
        depth = self._held(g * x + h * y + 1)
        return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth

    def multiply_adds(self, points: int) -> int:
        """Six a point; divisions are not counted."""
        return 6 * points

    def _held(self, depth: Tensor) -> Tensor:
        side = torch.where(depth < 0, -self.nearest, self.nearest).to(depth)
        return torch.where(depth.abs() < self.nearest, side, depth)


@dataclass(frozen=True)
class ThinPlateSpline(Warp):
    """Equation (10): the source positions of ``side`` x ``side`` control points, row by row.

    Raises:
        ValueError: if ``side`` is below 2, which leaves the affine part undetermined.
    """

    side: int = 4
    identity: tuple[float, ...] = field(init=False, repr=False, compare=False)
    #: Maps the control points' sources to the spline's coefficients, (side**2 + 3, side**2).
    solution: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.side < 2:
            raise ValueError(f"side={self.side} gives too few control points: use at least 2")
        controls = control_points(self.side)
        object.__setattr__(self, "identity", tuple(controls.flatten().tolist()))
        object.__setattr__(self, "solution", spline_solution(controls))

    def grid(self, theta: Theta, points: Points) -> Grid:
        """The basis at every point times the coefficients of every image.

        Splining what the control points moved by, and adding it to the point, is the same by
        linearity; an unmoved point then stays where it is to the last bit.
        """
        controls = control_points(self.side).to(points)
        moves = theta.unflatten(1, (-1, 2)) - controls
        basis = spline_basis(points.flatten(0, 1), controls)
        return points + (basis @ (self.solution.to(theta) @ moves)).unflatten(1, points.shape[:2])

    def point(self, theta: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Solve the linear system for this very image, then add up the spline term by term."""
        controls = control_points(self.side).to(theta)
        count = len(controls)
        matrix = theta.new_zeros(count + 3, count + 3)
        wanted = theta.new_zeros(count + 3, 2)
        for k, (u, v) in enumerate(controls):
            matrix[3 + k, :3] = matrix[:3, 3 + k] = torch.stack([torch.ones_like(u), u, v])
            for j, other in enumerate(controls):
                matrix[3 + k, 3 + j] = radial((controls[k] - other).square().sum())
        wanted[3:] = theta.view(count, 2)
        found = torch.linalg.solve(matrix, wanted)
        result = found[0] + found[1] * x + found[2] * y
        for k, (u, v) in enumerate(controls):
            result = result + found[3 + k] * radial((x - u).square() + (y - v).square())
        return result[0], result[1]

    def multiply_adds(self, points: int) -> int:
        """Coefficients of the image, then 2 (k + 3) a point."""
        count = self.side**2
        return 2 * count * (count + 3) + 2 * (count + 3) * points


def control_points(side: int) -> Float[Tensor, "k 2"]:
    """``side`` x ``side`` points (x, y) from corner to corner, row by row, in float64."""
    axis = torch.linspace(-1, 1, side, device="cpu", dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1)


def radial(squared: Float[Tensor, ...]) -> Float[Tensor, ...]:
    """U of a squared distance: r^2 log r^2, and 0 at 0."""
    return torch.xlogy(squared, squared)


def spline_basis(
    points: Float[Tensor, "n 2"], controls: Float[Tensor, "k 2"]
) -> Float[Tensor, "n width"]:
    """Rows (1, x, y, U(|p - c_1|), ..., U(|p - c_k|)), of width k + 3."""
    x, y = (points[:, None] - controls).unbind(2)
    affine = torch.cat([torch.ones_like(points[:, :1]), points], dim=1)
    return torch.cat([affine, radial(x.square() + y.square())], dim=1)


def spline_solution(controls: Float[Tensor, "k 2"]) -> Float[Tensor, "width k"]:
    """The last k columns of the inverse of the system of equation (11)."""
    basis = spline_basis(controls, controls)
    system = torch.zeros(2 * [len(controls) + 3], device=basis.device, dtype=basis.dtype)
    system[:3, 3:], system[3:] = basis[:, :3].mT, basis
    return torch.linalg.inv(system)[:, 3:]
