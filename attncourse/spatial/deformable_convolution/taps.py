"""Where the taps of a kernel read, and the convolution of what they read.

The reading is that of a spatial transformer: one grid of places, bilinear, zeros outside.  A batch
of feature maps with K taps at each of h' x w' positions is one grid of K h' rows and w' columns,
so that a single kernel of the library reads them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.spatial.spatial_transformer.sampler import bilinear_sample

#: (features, normalised places) -> what is read there.
Reader = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Lattice:
    """The places p_0 + r_k of an ordinary convolution.

    Attributes:
        kernel: rows and columns of the kernel.
        stride: from one output position to the next, in pixels of the input.
        padding: how far outside the image the first tap stands.
        dilation: from one tap to the next.
    """

    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def taps(self) -> int:
        """K, the number of taps."""
        return self.kernel[0] * self.kernel[1]

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the output."""

        def positions(size: int, taps: int) -> int:
            return (size + 2 * self.padding - self.dilation * (taps - 1) - 1) // self.stride + 1

        return positions(height, self.kernel[0]), positions(width, self.kernel[1])

    def rows(self, count: int, like: Tensor) -> Float[Tensor, "k rows 1"]:
        """The row of every tap, taps in reading order."""
        start = self._starts(count, like)
        tap = torch.arange(self.kernel[0], device=like.device, dtype=like.dtype) * self.dilation
        places = start + tap.repeat_interleave(self.kernel[1])[:, None]
        return places[:, :, None]

    def columns(self, count: int, like: Tensor) -> Float[Tensor, "k 1 columns"]:
        """The column of every tap, taps in reading order."""
        start = self._starts(count, like)
        tap = torch.arange(self.kernel[1], device=like.device, dtype=like.dtype) * self.dilation
        places = start + tap.repeat(self.kernel[0])[:, None]
        return places[:, None]

    def _starts(self, count: int, like: Tensor) -> Tensor:
        steps = torch.arange(count, device=like.device, dtype=like.dtype)
        return steps * self.stride - self.padding

    def grid(
        self, offsets: Float[Tensor, "b g k rows columns 2"], height: int, width: int
    ) -> Float[Tensor, "b g k rows columns 2"]:
        """Equation (2): the normalised places (x, y) at which the taps read.

        Offsets are rows first, in pixels; places are columns first, as the sampler wants them.
        """
        down = offsets[..., 0] + self.rows(offsets.shape[3], offsets)
        across = offsets[..., 1] + self.columns(offsets.shape[4], offsets)
        return torch.stack([_normalised(across, width), _normalised(down, height)], dim=-1)


def _normalised(place: Tensor, size: int) -> Tensor:
    """From pixels to the range from -1, the outer edge of the first one, to 1.

    On its way there and back a place that is a pixel may be rounded to either side of it, which
    changes nothing that is read but the slope: at a kink there are two.  So a place moves to the
    right by what rounding may take, and the slope on a pixel is the difference to the right, as
    in the loops, in both forms and on every machine.
    """
    rounding = 4 * torch.finfo(place.dtype).eps * (size + 1)
    return (2 * place + (1 + 2 * rounding)) / size - 1


def by_kernel(x: Tensor, grid: Tensor) -> Tensor:
    """Read by the library's one kernel, which keeps no corner for the way back."""
    return F.grid_sample(x, grid, align_corners=False)


def by_corners(x: Tensor, grid: Tensor) -> Tensor:
    """Read corner by corner, as in the chapter on spatial transformers."""
    return bilinear_sample(x, grid)


def deformable_convolution(
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "d e rows columns"],
    bias: Float[Tensor, " d"] | None,
    offsets: Float[Tensor, "b gk p q 2"],
    mask: Float[Tensor, "b gk p q"] | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    read: Reader = by_kernel,
) -> Float[Tensor, "b d p q"]:
    """Equations (1) to (4): read the taps, weigh them, add them up.

    Args:
        x: the features.
        weight: of the kernel; e is c divided by ``groups``.
        bias: added to every output channel.
        offsets: (row, column) in pixels for every tap of every group of channels, groups first.
        mask: a factor for each of them, or none.
        stride: as in ``torch.nn.functional.conv2d``, like the three that follow.
        padding: only moves the taps; the image is not padded.
        dilation: distance of the taps.
        groups: of the weights; the groups that share offsets are told by the shape of ``offsets``.
        read: how places are read.
    """
    (b, c, h, w), kernel = x.shape, (weight.shape[2], weight.shape[3])
    lattice = Lattice(kernel, stride, padding, dilation)
    taps, (rows, columns) = lattice.taps, offsets.shape[2:4]
    parts = offsets.shape[1] // taps
    grid = lattice.grid(offsets.unflatten(1, (parts, taps)), h, w)
    places = grid.reshape(b * parts, taps * rows, columns, 2)
    image = x.to(grid.dtype).reshape(b * parts, c // parts, h, w)
    found = read(image, places).reshape(b, parts, c // parts, taps, rows, columns)
    if mask is not None:
        found = found * mask.reshape(b, parts, 1, taps, rows, columns).to(found.dtype)
    # A product with every group's kernel, (d, e K) by (e K, h' w'): no layer in the way.
    found = found.to(x.dtype).reshape(b, groups, c // groups * taps, rows * columns)
    y = (weight.reshape(groups, -1, found.shape[2]) @ found).reshape(b, len(weight), rows, columns)
    return y if bias is None else y + bias.to(y.dtype)[:, None, None]
