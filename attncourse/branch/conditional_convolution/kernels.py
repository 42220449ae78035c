"""What CondConv and dynamic convolution share: k kernels, and one convolution with a mixture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attncourse.attention import Attention, validate_features
from attncourse.branch.conditional_convolution.cost import same_padding
from attncourse.branch.conditional_convolution.mixing import Steps, fastest
from attncourse.layers import whole
from attncourse.transforms import in_torch_func


class KernelMixture(Attention):
    """k kernels of one size; ``g`` of a subclass says how an image mixes them.

    Args:
        channels: channels of the input.
        out_channels: of the output; as many if not given.
        kernel_size: side of the kernels.
        experts: how many kernels.
        stride: step of the convolution.
        padding: rows and columns of zeros on each side.
        dilation: distance of neighbouring taps.
        groups: groups of the convolution.
        bias: give every kernel a bias for each output channel; they are mixed as the kernels are.
        device: where the parameters live.
        dtype: their type.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int | None,
        kernel_size: int,
        experts: int,
        *,
        stride: int,
        padding: int | None,
        dilation: int,
        groups: int,
        bias: bool,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        out = channels if out_channels is None else out_channels
        sizes = {
            "channels": channels, "out_channels": out, "kernel_size": kernel_size,
            "experts": experts, "stride": stride, "dilation": dilation, "groups": groups,
        }  # fmt: skip
        whole(**sizes, **({} if padding is None else {"padding": padding}))
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name}={size} must be at least 1")
        if padding is not None and padding < 0:
            raise ValueError(f"padding={padding} must be at least 0")
        if channels % groups or out % groups:
            raise ValueError(
                f"groups={groups} does not divide channels={channels} and out_channels={out}"
            )
        self.channels, self.out_channels, self.kernel_size = channels, out, kernel_size
        self.experts, self.biased = experts, bias
        self.steps = Steps(stride, same_padding(kernel_size, dilation, padding), dilation, groups)
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(
            torch.empty(experts, out, channels // groups, kernel_size, kernel_size, **factory)
        )
        self.bias = nn.Parameter(torch.empty(experts, out, **factory)) if bias else None
        self._draw()

    def _draw(self) -> None:
        """Each kernel by itself, in He's scale for its own fan-in; no bias."""
        for kernel in self.weight.unbind():
            nn.init.kaiming_normal_(kernel, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w) and a kernel fits into it."""
        validate_features(x, self.channels)
        reach = self.steps.dilation * (self.kernel_size - 1) + 1
        if reach > 2 * self.steps.padding + 1:  # else every map is large enough
            least = reach - 2 * self.steps.padding
            if x.shape[2] < least or x.shape[3] < least:
                raise ValueError(
                    f"x has {x.shape[2]} x {x.shape[3]} positions, the kernels need {least} x "
                    f"{least}: raise padding={self.steps.padding}, or pass a larger map"
                )

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The convolution of each image with its own mixture of the kernels, (b, o, h, w)."""
        y = fastest(x, weights, self.weight, self.bias, self.steps)
        if not in_torch_func() and x.is_contiguous(memory_format=torch.channels_last):
            y = y.contiguous(memory_format=torch.channels_last)
        return y

    def _differs(self, experts: int, bias: bool) -> list[str]:
        """Constructor arguments that differ from their defaults."""
        steps = self.steps
        usual: dict[str, tuple[object, object]] = {
            "out_channels": (self.out_channels, self.channels),
            "kernel_size": (self.kernel_size, 3), "experts": (self.experts, experts),
            "stride": (steps.stride, 1), "dilation": (steps.dilation, 1),
            "padding": (steps.padding, same_padding(self.kernel_size, steps.dilation, None)),
            "groups": (steps.groups, 1), "bias": (self.biased, bias),
        }  # fmt: skip
        return [f"{name}={own}" for name, (own, default) in usual.items() if own != default]
