r"""Convolutions in the frame of attention: one head for each tap.

Every layer here is ``y_i = sum_m W_m sum_j A_m(i, j) x_j``, and they differ in where A comes from:

============  ==============================================================================
layer         weights of tap m
============  ==============================================================================
convolution   1 at j = i + r_m, for every image: the fourth term, with no rest
lightweight   a learned share at j = i + r_m, the same everywhere: the fourth term, too
dynamic       a share at j = i + r_m that x_i predicts: the second term
deformable    four shares around i + r_m + an offset that the content around i predicts: likewise
============  ==============================================================================

The shares of the taps of a lightweight or a dynamic convolution (Wu et al., 2019) add up to 1.

Taps outside the image read nothing, so that rows there add up to less than 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def places_as_weights(
    places: Float[Tensor, "b k h w 2"], size: tuple[int, int]
) -> Float[Tensor, "b k n m"]:
    """The four bilinear shares of one reading a tap, as a row of weights over all positions.

    Args:
        places: (row, column) in pixels that each tap reads for each position.
        size: rows and columns of the map that is read.
    """

    def shares(at: Tensor, count: int) -> Tensor:
        pixels = torch.arange(count, device=at.device, dtype=at.dtype)
        return (1 - (at[..., None] - pixels).abs()).clamp(min=0)

    rows, columns = shares(places[..., 0], size[0]), shares(places[..., 1], size[1])
    return (rows[..., :, None] * columns[..., None, :]).flatten(4).flatten(2, 3)


def lattice_places(h: int, w: int, kernel: int, like: Tensor) -> Float[Tensor, "1 k h w 2"]:
    """Where the taps of an odd kernel stand, in reading order."""

    def axis(count: int) -> Tensor:
        return torch.arange(count, device=like.device, dtype=like.dtype)

    tap = axis(kernel) - kernel // 2
    down = axis(h)[None, :, None] + tap.repeat_interleave(kernel)[:, None, None]
    across = axis(w)[None, None, :] + tap.repeat(kernel)[:, None, None]
    both = torch.broadcast_tensors(down, across)
    return torch.stack(both, dim=-1)[None]


def conv_as_heads(h: int, w: int, kernel: int, like: Tensor) -> Float[Tensor, "1 k n n"]:
    """The weights of an ordinary convolution: one position a tap, for every image."""
    return places_as_weights(lattice_places(h, w, kernel, like), (h, w))


def shares_as_weights(shares: Float[Tensor, "b k h w"], kernel: int) -> Float[Tensor, "b n n"]:
    """One head whose rows hold what each position predicts for the taps of a kernel."""
    taps = conv_as_heads(shares.shape[2], shares.shape[3], kernel, shares)
    return (shares.flatten(2)[..., None] * taps).sum(dim=1)


def read_by_heads(
    weights: Float[Tensor, "#b k n m"],
    kernels: Float[Tensor, "k d c"],
    x: Float[Tensor, "b c h w"],
) -> Float[Tensor, "b d h w"]:
    """``sum_m W_m A_m x``: every head reads by its weights and has a matrix of its own."""
    read = torch.einsum("bkij,bcj->bkci", weights.expand(len(x), -1, -1, -1), x.flatten(2))
    return torch.einsum("kdc,bkci->bdi", kernels, read).unflatten(2, x.shape[2:])


def heads_as_conv(weight: Float[Tensor, "d c r s"]) -> Float[Tensor, "k d c"]:
    """The matrix of each tap of a convolution, taps in reading order."""
    return weight.flatten(2).permute(2, 0, 1)
