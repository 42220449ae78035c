"""EncNet's block, one image, one position, one codeword and one number at a time.

Symbols and equations are those of the package's ``module``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Vector = list[Tensor]


def mixed_pixel(
    pixel: Float[Tensor, " c"],
    weight: Float[Tensor, "c c 1 1"],
    affine: tuple[Float[Tensor, " c"], Float[Tensor, " c"]],
) -> Vector:
    """Equation (1) at one position."""
    found = []
    for row, scale, shift in zip(weight[:, :, 0, 0], *affine, strict=True):
        total = pixel.new_zeros(())
        for w, value in zip(row, pixel, strict=True):
            total = total + w * value
        found.append((scale * total + shift).clamp(min=0))
    return found


def shares(u: Vector, codewords: Float[Tensor, "k c"], factors: Float[Tensor, " k"]) -> Vector:
    """Equation (2) at one position, from residuals; the largest logit is subtracted first."""
    logits = []
    for word, factor in zip(codewords, factors, strict=True):
        distance = factor.new_zeros(())
        for value, entry in zip(u, word, strict=True):
            distance = distance + (value - entry) ** 2
        logits.append(factor * distance)
    top = torch.stack(logits).max().detach()
    raised = [torch.exp(logit - top) for logit in logits]
    whole = raised[0]
    for value in raised[1:]:
        whole = whole + value
    return [value / whole for value in raised]


def context_encoding_reference(
    x: Float[Tensor, "b c h w"],
    mixing: tuple[Tensor, tuple[Tensor, Tensor]] | None,
    codewords: Float[Tensor, "k c"],
    factors: Float[Tensor, " k"],
    code_affine: tuple[Float[Tensor, " k"], Float[Tensor, " k"]],
    out: tuple[Float[Tensor, "c c"], Float[Tensor, " c"]],
    *,
    total: bool = False,
    residual: bool = True,
    average: bool = False,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (5), one number at a time.

    ``mixing`` is the convolution's weight with the scale and shift that its normalisation is in
    use; ``code_affine`` is the same for each codeword.
    """
    batch, channels, height, width = x.shape
    size, images = len(codewords), []
    for n in range(batch):
        sums = [[x.new_zeros(()) for _ in range(channels)] for _ in range(size)]
        for i in range(height):
            for j in range(width):
                pixel = x[n, :, i, j]
                u = list(pixel) if mixing is None else mixed_pixel(pixel, *mixing)
                for k, share in enumerate(shares(u, codewords, factors)):
                    for c in range(channels):
                        sums[k][c] = sums[k][c] + share * (u[c] - codewords[k, c])  # (3)
        code = []
        for c in range(channels):
            entry = x.new_zeros(())
            for k in range(size):
                value = sums[k][c] / (height * width) if average else sums[k][c]
                entry = entry + (code_affine[0][k] * value + code_affine[1][k]).clamp(min=0)
            code.append(entry if total else entry / size)  # (4)
        image = []
        for c in range(channels):
            logit = out[1][c]
            for weight, entry in zip(out[0][c], code, strict=True):
                logit = logit + weight * entry
            gate = 1 / (1 + torch.exp(-logit))
            y = gate * x[n, c]
            image.append((x[n, c] + y).clamp(min=0) if residual else y)  # (5)
        images.append(torch.stack(image))
    return torch.stack(images)
