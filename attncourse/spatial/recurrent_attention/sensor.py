r"""The glimpse sensor of RAM: a small, foveated reading at a chosen location.

Equations, numbered as in the chapter ``spatial/recurrent_attention``:

.. math::
    \xi(l) &= \tfrac{W - 1}{2} + l_x \tfrac{\max(W - m, 0)}{2}                   & (1)\\
    \rho_{s,i,j}(X, l) &= 4^{-s} \sum_{u,v = 0}^{2^s - 1}
        X\bigl(\eta + 2^s i + u - a_s,\; \xi + 2^s j + v - a_s\bigr)             & (2)

with :math:`\eta` alike from H, :math:`a_s = (2^s m - 1) / 2` and windows of m by m numbers;
:math:`X(\cdot, \cdot)` between pixels is bilinear, and zero
outside the image.

A location is a pair :math:`(x, y)` in :math:`[-1, 1]^2`; (0, 0) is the middle of the image and
(-1, -1) its top left.  The paper leaves open which pixel that is.  Here the *window* is mapped:
at -1 and 1 the finest square lies flush with the border, so that it never leaves the image.
Public code cuts whole pixels; here a reading between pixels is bilinear, so that it has a
gradient with respect to the location too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def window_centre(location: Tensor, size: int, length: int) -> Tensor:
    """Equation (1): pixel coordinate of the window's middle on an axis of ``length`` pixels."""
    if torch.jit.is_tracing():  # there a size is a tensor, and the trace fixes it anyway
        length = int(length)
    reach = torch.sym_max(length - size, 0) / 2  # a symbol under export, so no Python max
    return (length - 1) / 2 + location * reach


def read_glimpse(
    x: Float[Tensor, "b c h w"], location: Float[Tensor, "b 2"], size: int, scales: int = 1
) -> Float[Tensor, "b k c s s"]:
    """Equation (2): ``scales`` squares around each location, from the finest to the coarsest.

    One bilinear reading of the widest square serves all scales: the narrower ones lie in its
    middle.  Neither time nor memory depends on the number of pixels of ``x``, except in half
    precision, where ``x`` is converted.
    """
    widest = size * 2 ** (scales - 1)
    window = _read_window(x, location, size, widest)
    squares = []
    for scale in range(scales):
        side = size * 2**scale
        rim, half_pixel = divmod(widest - side, 2)
        # An odd finest square lies between the points at which the even, wider ones are read.
        square = (
            _read_window(x, location, size, side)
            if half_pixel
            else window[:, :, rim : widest - rim, rim : widest - rim]
        )
        squares.append(F.avg_pool2d(square, 2**scale) if scale else square)
    return torch.stack(squares, dim=1)


def _read_window(x: Tensor, location: Tensor, size: int, side: int) -> Tensor:
    """A bilinear reading of ``side`` by ``side`` points a pixel apart, (b, c, side, side)."""
    height, width = x.shape[2:]
    # Half precision could not tell neighbouring pixels of a large image apart.
    location = location.to(torch.promote_types(location.dtype, torch.float32))
    offset = torch.arange(side, dtype=location.dtype, device=location.device) - (side - 1) / 2
    columns = window_centre(location[:, :1], size, width) + offset
    rows = window_centre(location[:, 1:], size, height) + offset
    # grid_sample wants pixel j of an axis of n pixels at (2 j + 1) / n - 1.
    across = ((2 * columns + 1) / width - 1)[:, None, :].expand(-1, side, -1)
    down = ((2 * rows + 1) / height - 1)[:, :, None].expand(-1, -1, side)
    grid = torch.stack([across, down], dim=-1)
    if grid.dtype != x.dtype:
        return F.grid_sample(x.to(grid.dtype), grid, align_corners=False).to(x.dtype)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def read_glimpse_reference(
    x: Float[Tensor, "b c h w"], location: Float[Tensor, "b 2"], size: int, scales: int = 1
) -> Float[Tensor, "b k c s s"]:
    """Equation (2), one image, one scale, one number and one pixel at a time."""
    height, width = x.shape[2:]
    images = []
    for n in range(len(x)):
        # Equation (1): a window that is wider than the image stays in its middle.
        middle_x = (width - 1) / 2 + location[n, 0] * max(width - size, 0) / 2
        middle_y = (height - 1) / 2 + location[n, 1] * max(height - size, 0) / 2
        squares = []
        for scale in range(scales):
            block = 2**scale
            start = (block * size - 1) / 2
            numbers = []
            for i in range(size):
                for j in range(size):
                    total = x.new_zeros(x.shape[1])
                    for u in range(block):
                        for v in range(block):
                            row = middle_y + block * i + u - start
                            column = middle_x + block * j + v - start
                            total = total + _between_pixels(x[n], row, column)
                    numbers.append(total / block**2)
            squares.append(torch.stack(numbers, dim=1).view(-1, size, size))
        images.append(torch.stack(squares))
    return torch.stack(images)


def _between_pixels(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The bilinear value at one point, one number for each channel; pixels outside are zero."""
    height, width = image.shape[1:]
    above, left = int(torch.floor(row)), int(torch.floor(column))
    value = image.new_zeros(image.shape[0])
    for i in (above, above + 1):
        for j in (left, left + 1):
            if 0 <= i < height and 0 <= j < width:
                weight = (1 - (row - i).abs()) * (1 - (column - j).abs())
                value = value + weight * image[:, i, j]
    return value
