"""The spatial transformer straight from its equations: one image and one output pixel at a time.

Nothing here is shared with the module but the warps' own ``point``, which is their equation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.spatial.spatial_transformer.sampler import sample_reference
from attncourse.spatial.spatial_transformer.warps import Warp


def place(index: int, size: int, align_corners: bool = False) -> float:
    """Normalised coordinate of a pixel; -1 and 1 are the outer edges, or the outermost pixels."""
    if not align_corners:
        return (index + 0.5) * 2 / size - 1
    return index * 2 / (size - 1) - 1 if size > 1 else 0.0


def pixel(coordinate: Tensor, size: int, align_corners: bool = False) -> Tensor:
    """The index, between pixels too, that has this normalised coordinate."""
    share = (coordinate + 1) / 2
    return share * (size - 1) if align_corners else share * size - 0.5


def spatial_transformer_reference(
    x: Float[Tensor, "b c h w"],
    theta: Float[Tensor, "b M"],
    warp: Warp,
    out_size: tuple[int, int] | None = None,
    align_corners: bool = False,
) -> Float[Tensor, "b c rows columns"]:
    """Equations (2) and (4), from the parameters of every image's warp."""
    height, width = x.shape[2:]
    rows, columns = out_size or (height, width)
    images = []
    for image, parameters in zip(x, theta, strict=True):
        readings = []
        for i in range(rows):
            for j in range(columns):
                u, v = (
                    parameters.new_tensor(place(k, size, align_corners))
                    for k, size in ((j, columns), (i, rows))
                )
                across, down = warp.point(parameters, u, v)  # (2)
                across = pixel(across, width, align_corners)
                down = pixel(down, height, align_corners)
                readings.append(sample_reference(image, across, down))  # (4)
        images.append(torch.stack(readings, dim=1).unflatten(1, (rows, columns)))
    return torch.stack(images)


def moment_theta_reference(
    x: Float[Tensor, "b c h w"], weights: Mapping[str, Tensor]
) -> Float[Tensor, "b M"]:
    """Equation (1) with the default localisation network: its output, pixel by pixel.

    Args:
        x: the images.
        weights: the module's parameters by name.
    """
    found = []
    for image in x:
        maps = _convolution(image, weights["localisation.near.weight"])
        maps = (maps + weights["localisation.near.bias"][:, None, None]).clamp(min=0)
        maps = _convolution(maps, weights["localisation.far.weight"])
        maps = (maps + weights["localisation.far.bias"][:, None, None]).clamp(min=0)
        numbers = []
        for values in maps:
            height, width = values.shape
            moments = [values.new_zeros(()) for _ in range(3)]
            for i in range(height):
                for j in range(width):
                    share = values[i, j] / (height * width)
                    moments[0] = moments[0] + share
                    moments[1] = moments[1] + share * place(j, width)
                    moments[2] = moments[2] + share * place(i, height)
            numbers += moments
        mixed = weights["localisation.mix.weight"] @ torch.stack(numbers)
        mixed = (mixed + weights["localisation.mix.bias"]).clamp(min=0)
        found.append(weights["regress.weight"] @ mixed + weights["regress.bias"])
    return torch.stack(found)


def _convolution(x: Float[Tensor, "c h w"], kernel: Float[Tensor, "d c k k"]) -> Tensor:
    """Every second row and column, from kernels centred there; outside there are zeros."""
    height, width = x.shape[1:]
    reach = kernel.shape[2] // 2
    maps = []
    for one in kernel:
        values = []
        for i in range(0, height, 2):
            for j in range(0, width, 2):
                top, bottom = max(i - reach, 0), min(i + reach + 1, height)
                left, right = max(j - reach, 0), min(j + reach + 1, width)
                part = one[
                    :, top - i + reach : bottom - i + reach, left - j + reach : right - j + reach
                ]
                values.append((part * x[:, top:bottom, left:right]).sum())
        maps.append(torch.stack(values).view(-(-height // 2), -(-width // 2)))
    return torch.stack(maps)
