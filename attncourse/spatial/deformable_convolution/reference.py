"""The deformable convolution straight from its equations: one output number's tap at a time.

Nothing here is shared with the module.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def reading(
    image: Float[Tensor, "c h w"], down: Float[Tensor, ""], across: Float[Tensor, ""]
) -> Float[Tensor, " c"]:
    """Equation (4): the pixels around a place, each with its share; others are zero.

    Of the two slopes at a pixel this takes the one to the right and downwards.
    """
    _, height, width = image.shape
    top, left = int(down.floor()), int(across.floor())
    found = image.new_zeros(len(image))
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < height and 0 <= column < width:
                upper = 1 - (down - top) if row == top else down - top
                nearer = 1 - (across - left) if column == left else across - left
                found = found + upper * nearer * image[:, row, column]
    return found


def deformable_convolution_reference(
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
) -> Float[Tensor, "b d p q"]:
    """Equations (1) to (4), one image, position, tap and group of channels at a time."""
    channels, (out, each, tall, wide) = x.shape[1], weight.shape
    taps = tall * wide
    parts = offsets.shape[1] // taps
    per_part, per_group = channels // parts, out // groups
    images = []
    for n, image in enumerate(x):
        values = []
        for i in range(offsets.shape[2]):
            for j in range(offsets.shape[3]):
                y = weight.new_zeros(out) if bias is None else bias
                for k in range(taps):
                    read = []
                    for part in range(parts):
                        shift = offsets[n, part * taps + k, i, j]
                        down = shift[0] + (i * stride - padding + k // wide * dilation)
                        across = shift[1] + (j * stride - padding + k % wide * dilation)
                        own = image[part * per_part : (part + 1) * per_part]
                        found = reading(own, down, across)
                        if mask is not None:
                            found = found * mask[n, part * taps + k, i, j]
                        read.append(found)
                    tap = torch.cat(read)
                    kernel = weight[:, :, k // wide, k % wide]
                    y = y + torch.cat([
                        kernel[g * per_group : (g + 1) * per_group]
                        @ tap[g * each : (g + 1) * each]
                        for g in range(groups)
                    ])  # fmt: skip
                values.append(y)
        images.append(torch.stack(values, dim=1).unflatten(1, tuple(offsets.shape[2:4])))
    return torch.stack(images)
