"""What mixed kernels cost, in closed form: equations (12) and (13) of the chapter."""

from __future__ import annotations

from typing import Any

from attncourse.branch.conditional_convolution.mixing import Steps


def hidden_width(channels: int, reduction: int = 4, min_hidden: int = 4) -> int:
    """Hidden units d of dynamic convolution: ``channels // reduction``, at least ``min_hidden``."""
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    if min_hidden < 1:
        raise ValueError(f"min_hidden={min_hidden} must be at least 1")
    return max(channels // reduction, min_hidden)


def weights_of_one_kernel(
    channels: int, out_channels: int | None = None, kernel_size: int = 3, groups: int = 1
) -> int:
    """Numbers in one kernel, without its biases."""
    out = channels if out_channels is None else out_channels
    return out * (channels // groups) * kernel_size * kernel_size


def same_padding(kernel_size: int, dilation: int, padding: int | None) -> int:
    """The padding, by default the one that keeps the size of the map for odd kernels."""
    return dilation * (kernel_size - 1) // 2 if padding is None else padding


def condconv_parameters(
    channels: int,
    out_channels: int | None = None,
    kernel_size: int = 3,
    experts: int = 8,
    *,
    groups: int = 1,
    bias: bool = False,
    **steps: object,
) -> int:
    """Learned parameters: k kernels (with their biases), and k (c + 1) to route."""
    del steps
    out = channels if out_channels is None else out_channels
    kernel = weights_of_one_kernel(channels, out, kernel_size, groups)
    return experts * (kernel + (out if bias else 0)) + experts * (channels + 1)


def condconv_multiply_adds(
    height: int,
    width: int,
    channels: int,
    out_channels: int | None = None,
    kernel_size: int = 3,
    experts: int = 8,
    **options: Any,
) -> int:
    """Multiply-adds for one image: squeeze and route, mix k kernels, convolve once."""
    routed = channels * height * width + channels * experts
    return routed + _mixed(height, width, channels, out_channels, kernel_size, experts, **options)


def dynamic_parameters(
    channels: int,
    out_channels: int | None = None,
    kernel_size: int = 3,
    experts: int = 4,
    reduction: int = 4,
    *,
    min_hidden: int = 4,
    groups: int = 1,
    bias: bool = True,
    temperature: float = 1.0,
    **steps: object,
) -> int:
    """Learned parameters: k kernels (with their biases), d (c + 1) + k (d + 1) to decide."""
    del steps, temperature
    out = channels if out_channels is None else out_channels
    kernel = weights_of_one_kernel(channels, out, kernel_size, groups)
    hidden = hidden_width(channels, reduction, min_hidden)
    return experts * (kernel + (out if bias else 0)) + hidden * (channels + 1 + experts) + experts


def dynamic_multiply_adds(
    height: int,
    width: int,
    channels: int,
    out_channels: int | None = None,
    kernel_size: int = 3,
    experts: int = 4,
    reduction: int = 4,
    *,
    min_hidden: int = 4,
    bias: bool = True,
    temperature: float = 1.0,
    **options: Any,
) -> int:
    """Multiply-adds for one image: squeeze and decide, mix k kernels, convolve once."""
    del temperature
    hidden = hidden_width(channels, reduction, min_hidden)
    decided = channels * height * width + hidden * (channels + experts)
    return decided + _mixed(
        height, width, channels, out_channels, kernel_size, experts, bias=bias, **options
    )


def _mixed(
    height: int,
    width: int,
    channels: int,
    out_channels: int | None,
    kernel_size: int,
    experts: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> int:
    """Mixing k kernels and biases, and one convolution."""
    out = channels if out_channels is None else out_channels
    kernel = weights_of_one_kernel(channels, out, kernel_size, groups)
    steps = Steps(stride, same_padding(kernel_size, dilation, padding), dilation, groups)
    positions = steps.length(height, kernel_size) * steps.length(width, kernel_size)
    return positions * kernel + experts * (kernel + (out if bias else 0))
