"""Three exact ways to apply a mixture of kernels, and the rule that picks one.

All three compute the same: ``(sum over k of weights[b, k] * kernels[k]) * x[b] + bias``.
A convolution is linear in its kernel, so that the sum may be taken before or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

#: Outputs are mixed from so many images on ...
FEW_IMAGES = 4
#: ... if that wastes no more than so many multiply-adds for each weight and image: (k - 1) times
#: the output's positions.  It is about what it takes to write the weight of a mixed kernel and to
#: read it again.
WASTE = 60
#: On a processor images are convolved one by one if their mixed kernels have so many weights in
#: all, 32 MB in float32: there it was faster wherever large tensors get fresh memory.
MANY_WEIGHTS = 8_000_000


@dataclass(frozen=True)
class Steps:
    """How a convolution walks: the same numbers along rows and columns."""

    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    def length(self, before: int, kernel_size: int) -> int:
        """Positions along an axis after the convolution."""
        reach = self.dilation * (kernel_size - 1) + 1
        return (before + 2 * self.padding - reach) // self.stride + 1


PLAIN = Steps()
#: (x, weights, kernels, biases, steps) -> y
Form = Callable[..., Tensor]


def mix(weights: Float[Tensor, "b k"], numbers: Float[Tensor, "k ..."]) -> Float[Tensor, "b ..."]:
    """Equation (2): one mixture of the k kernels, or of their biases, for every image."""
    flat = numbers.flatten(1)
    return (weights.to(flat.dtype) @ flat).unflatten(1, numbers.shape[1:])


def in_groups(
    x: Float[Tensor, "b c h w"],
    weights: Float[Tensor, "b k"],
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """Mix the kernels, and convolve all images at once: each image is a group of its own.

    The images stand side by side on the channel axis, the kernels in the same order.  The sizes
    of the output come from the convolution, not from x.
    """
    mixed, shifts = mix(weights, kernels), None if biases is None else mix(weights, biases)
    if x.shape[0] == 0:  # no image has a kernel: their sum stands in, so that gradients are zeros
        return _convolve(x, mixed.sum(0), None if shifts is None else shifts.sum(0), steps)
    bias = None if shifts is None else shifts.flatten()
    if x.shape[0] == 1:
        return _convolve(x, mixed[0], bias, steps)
    side_by_side = x.flatten(0, 1)[None]
    y = F.conv2d(
        side_by_side, mixed.flatten(0, 1), bias, steps.stride, steps.padding, steps.dilation,
        x.shape[0] * steps.groups,
    )  # fmt: skip
    return y.unflatten(1, mixed.shape[:2])[0]


def one_by_one(
    x: Float[Tensor, "b c h w"],
    weights: Float[Tensor, "b k"],
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """Mix the kernels, and convolve image after image, as the authors' code does."""
    mixed = mix(weights, kernels).unbind()
    shifts = [None] * len(mixed) if biases is None else mix(weights, biases).unbind()
    images = zip(x.split(1), mixed, shifts, strict=True)
    return torch.cat([_convolve(image, kernel, shift, steps) for image, kernel, shift in images])


def mix_outputs(
    x: Float[Tensor, "b c h w"],
    weights: Float[Tensor, "b k"],
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """Convolve with every kernel, and mix what comes out: the left side of equation (4)."""
    k, out = kernels.shape[:2]
    if steps.groups == 1:  # all kernels are one long kernel
        y = _convolve(x, kernels.flatten(0, 1), None if biases is None else biases.flatten(), steps)
        y = y.unflatten(1, (k, out))
    else:
        shifts = [None] * k if biases is None else biases.unbind()
        pairs = zip(kernels.unbind(), shifts, strict=True)
        y = torch.stack([_convolve(x, kernel, shift, steps) for kernel, shift in pairs], dim=1)
    return (weights.to(y.dtype)[:, None] @ y.flatten(2)).unflatten(2, y.shape[2:])[:, 0]


def fastest(
    x: Float[Tensor, "b c h w"],
    weights: Float[Tensor, "b k"],
    kernels: Float[Tensor, "k o i s s"],
    biases: Float[Tensor, "k o"] | None = None,
    steps: Steps = PLAIN,
) -> Float[Tensor, "b o oh ow"]:
    """By the form that :func:`form_for` names."""
    on_processor = x.device.type in ("cpu", "meta")
    form = form_for(x.shape, kernels.shape, steps, on_processor=on_processor)
    return form(x, weights, kernels, biases, steps)


def form_for(
    x: Sequence[int], kernels: Sequence[int], steps: Steps = PLAIN, *, on_processor: bool = True
) -> Form:
    """Which of the three forms was fastest for tensors of these shapes, measured on processors.

    Outputs are mixed for several images on maps of few positions, where (k - 1) further
    convolutions cost less than a kernel for each image.  Otherwise kernels are mixed, and a
    single image is never convolved more than once.  A captured graph mixes kernels in groups,
    because it is to serve all sizes.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return in_groups
    images, (count, out, inner, side, _) = x[0], kernels
    height, width = (steps.length(n, side) for n in x[2:])
    if images >= FEW_IMAGES and (count - 1) * height * width <= WASTE:
        return mix_outputs
    if on_processor and images * out * inner * side * side >= MANY_WEIGHTS:
        return one_by_one
    return in_groups


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, steps: Steps) -> Tensor:
    return F.conv2d(x, kernel, bias, steps.stride, steps.padding, steps.dilation, steps.groups)
