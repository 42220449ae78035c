"""Both branches of GSoP, one number at a time.

Symbols and equations are those of the package's ``module`` and ``positions``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Affine = tuple[Float[Tensor, " d"], Float[Tensor, " d"]]


def leaky(value: Tensor, slope: float) -> Tensor:
    """max(0, value) + slope min(0, value), of one number."""
    return value.clamp(min=0) + slope * value.clamp(max=0)


def excite_rows(
    matrix: Float[Tensor, "d d"],
    affine: Affine,
    rows: tuple[Float[Tensor, "ed 1 d"], Float[Tensor, " ed"]],
    out: tuple[Float[Tensor, "c ed"], Float[Tensor, " c"]],
    slope: float,
) -> list[Tensor]:
    """Equations (3) and (4) up to the gates, one number at a time."""
    size, share = matrix.shape[0], rows[0].shape[0] // matrix.shape[0]
    values = []
    for i in range(size):
        for k in range(share):
            total = rows[1][share * i + k]
            for j in range(size):
                normed = affine[0][i] * matrix[i, j] + affine[1][i]
                total = total + rows[0][share * i + k, 0, j] * normed
            values.append(leaky(total, slope))  # (3)
    gates = []
    for weights, bias in zip(*out, strict=True):
        logit = bias
        for weight, value in zip(weights, values, strict=True):
            logit = logit + weight * value
        gates.append(1 / (1 + torch.exp(-logit)))  # (4)
    return gates


def reduced_pixel(
    pixel: Float[Tensor, " c"],
    reduce: tuple[Float[Tensor, "d c 1 1"], Float[Tensor, " d"]],
    affine: Affine,
    *,
    before: bool,
    after: bool,
) -> list[Tensor]:
    """Equation (1) at one position, with a ReLU before and after it where asked for."""
    found = []
    for i in range(len(reduce[1])):
        total = reduce[1][i]
        for c, value in enumerate(pixel):
            total = total + reduce[0][i, c, 0, 0] * (value.clamp(min=0) if before else value)
        total = affine[0][i] * total + affine[1][i]
        found.append(total.clamp(min=0) if after else total)
    return found


def global_second_order_pooling_reference(
    x: Float[Tensor, "b c h w"],
    reduce: tuple[Float[Tensor, "d c 1 1"], Float[Tensor, " d"]],
    affine: Affine,
    row_affine: Affine,
    rows: tuple[Float[Tensor, "ed 1 d"], Float[Tensor, " ed"]],
    out: tuple[Float[Tensor, "c ed"], Float[Tensor, " c"]],
    *,
    slope: float = 0.1,
    rectify: bool = False,
    stride: int = 1,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (4), one image, one pixel and one pair of channels at a time.

    Layers come as weight and bias, normalisations as a scale and a shift.
    """
    batch, _, height, width = x.shape
    size, images = reduce[0].shape[0], []
    for n in range(batch):
        pixels = [
            reduced_pixel(x[n, :, i, j], reduce, affine, before=rectify, after=rectify)
            for i in range(0, height, stride)
            for j in range(0, width, stride)
        ]
        means = [sum(pixel[i] for pixel in pixels) / len(pixels) for i in range(size)]
        matrix = []
        for i in range(size):
            for j in range(size):
                total = x.new_zeros(())
                for pixel in pixels:
                    total = total + (pixel[i] - means[i]) * (pixel[j] - means[j])
                matrix.append(total / len(pixels))  # (2)
        gates = excite_rows(torch.stack(matrix).view(size, size), row_affine, rows, out, slope)
        images.append(torch.stack([s * channel for s, channel in zip(gates, x[n], strict=True)]))
    return torch.stack(images)


def _window(cell: int, cells: int, size: int) -> range:
    return range(cell * size // cells, -(-(cell + 1) * size // cells))


def second_order_positions_reference(
    x: Float[Tensor, "b c h w"],
    reduce: tuple[Float[Tensor, "d c 1 1"], Float[Tensor, " d"]],
    affine: Affine,
    row_affine: tuple[Float[Tensor, " m"], Float[Tensor, " m"]],
    rows: tuple[Float[Tensor, "em 1 m"], Float[Tensor, " em"]],
    out: tuple[Float[Tensor, "m em"], Float[Tensor, " m"]],
    *,
    grid: int = 8,
    slope: float = 0.0,
    rectify: bool = False,
    released_centring: bool = False,
) -> Float[Tensor, "b c h w"]:
    """Equations (12) to (14), one image, one cell and one pair of cells at a time."""
    batch, _, height, width = x.shape
    size, cells = reduce[0].shape[0], grid * grid
    images = []
    constant = cells if released_centring else size
    for n in range(batch):
        means = []
        for a in range(grid):
            for b in range(grid):
                pixels = [
                    reduced_pixel(x[n, :, i, j], reduce, affine, before=rectify, after=False)
                    for i in _window(a, grid, height)
                    for j in _window(b, grid, width)
                ]
                means.append([torch.stack([p[k] for p in pixels]).mean() for k in range(size)])
        matrix = []
        for one in means:
            for other in means:
                products = [p * q for p, q in zip(one, other, strict=True)]
                sums = torch.stack(one).sum() * torch.stack(other).sum()
                total = torch.stack(products).sum() - sums / constant
                matrix.append(total / constant)  # (13)
        gates = excite_rows(torch.stack(matrix).view(cells, cells), row_affine, rows, out, slope)
        image = []
        for i in range(height):
            for j in range(width):
                near = [
                    gates[grid * a + b]
                    for a in _window(i, height, grid)
                    for b in _window(j, width, grid)
                ]
                pixel = x[n, :, i, j] * (sum(near) / len(near))  # (14)
                image.append(pixel.clamp(min=0) if rectify else pixel)
        images.append(torch.stack(image, dim=1).view(-1, height, width))
    return torch.stack(images)
