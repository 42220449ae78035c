"""What a deformable convolution costs, in closed form."""

from __future__ import annotations

from attncourse.spatial.deformable_convolution.taps import Lattice


def same_padding(kernel_size: int, dilation: int) -> int:
    """The padding that keeps the size of the map where it can be kept."""
    return dilation * (kernel_size - 1) // 2


def side_channels(kernel_size: int, offset_groups: int, *, modulated: bool) -> int:
    """2 numbers for each tap of each group, or 3 with a mask."""
    return (3 if modulated else 2) * kernel_size**2 * offset_groups


def parameter_count(
    channels: int,
    out_channels: int | None = None,
    kernel_size: int = 3,
    *,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    offset_groups: int = 1,
    modulated: bool = False,
    gain: float = 1.0,
    bias: bool = True,
) -> int:
    """The side convolution with its biases, and the kernel."""
    del stride, padding, dilation, gain  # They change what is read, and nothing that is learned.
    out, taps = out_channels or channels, kernel_size**2
    side = side_channels(kernel_size, offset_groups, modulated=modulated)
    kernel = taps * channels // groups * out
    return (taps * channels + 1) * side + kernel + (out if bias else 0)


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    out_channels: int | None = None,
    kernel_size: int = 3,
    *,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    offset_groups: int = 1,
    modulated: bool = False,
    gain: float = 1.0,
    bias: bool = True,
) -> int:
    """Multiply-adds for one image: side convolution, four a reading, mask, kernel."""
    del gain, bias
    out, taps = out_channels or channels, kernel_size**2
    if padding is None:
        padding = same_padding(kernel_size, dilation)
    lattice = Lattice((kernel_size, kernel_size), stride, padding, dilation)
    rows, columns = lattice.out_size(height, width)
    side = side_channels(kernel_size, offset_groups, modulated=modulated)
    each = taps * channels * (side + 4 + modulated) + taps * channels // groups * out
    return each * rows * columns
