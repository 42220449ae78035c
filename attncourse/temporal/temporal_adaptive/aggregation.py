"""What TAM does with its decisions: equations (1), (4) and (5) of the chapter."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.precision import at_least_single


def profile(x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t"]:
    """Equation (1): the mean of each channel of each frame; half precision adds up in float32."""
    return x.mean(dim=(3, 4), dtype=at_least_single(x))


def as_matrices(
    kernel: Float[Tensor, "b c k"], importance: Float[Tensor, "b c t"]
) -> Float[Tensor, "b c t t"]:
    """Equation (5): row t of A holds what frame t takes from every frame of its channel."""
    taps, frames = kernel.shape[2], importance.shape[2]
    at = torch.arange(frames, device=kernel.device)
    tap = at - at[:, None] + taps // 2  # frame t takes frame s by the tap s - t + K // 2
    outside = (tap < 0) | (tap >= taps)
    band = kernel[:, :, tap.clamp(0, taps - 1)].masked_fill(outside, 0)
    return band * importance[:, :, None].to(band.dtype)


def aggregate(
    x: Float[Tensor, "b c t h w"],
    kernel: Float[Tensor, "b c k"],
    importance: Float[Tensor, "b c t"],
) -> Float[Tensor, "b c t h w"]:
    """Equation (4) as one matrix product for each channel; frames outside the clip are zero."""
    matrices = as_matrices(kernel, importance).to(x.dtype)
    return (matrices @ x.flatten(3)).view(x.shape)


def temporal_adaptive_reference(
    x: Float[Tensor, "b c t h w"],
    shrink: Float[Tensor, "d c k"],
    shrink_norm: tuple[Float[Tensor, " d"], Float[Tensor, " d"]],
    expand: Float[Tensor, "c d"],
    first: Float[Tensor, "m t"],
    first_norm: tuple[Float[Tensor, " m"], Float[Tensor, " m"]],
    second: Float[Tensor, "k m"],
) -> Float[Tensor, "b c t h w"]:
    """Equations (1) to (4), one clip, one channel and one frame at a time.

    A normalisation is given as the scale and the shift that it is in eval mode.
    """
    channels, frames = x.shape[1:3]
    taps = len(second)
    clips = []
    for clip in x:
        z = [
            torch.stack([frame.sum() / frame.numel() for frame in channel]) for channel in clip
        ]  # (1)
        gates = []
        for t in range(frames):
            u = torch.zeros_like(shrink_norm[0])
            for k in range(taps):
                s = t + k - taps // 2
                if 0 <= s < frames:
                    u = u + sum(shrink[:, c, k] * z[c][s] for c in range(channels))
            u = (u * shrink_norm[0] + shrink_norm[1]).clamp(min=0)
            gates.append(1 / (1 + torch.exp(-(expand @ u))))  # (2)
        maps = []
        for c in range(channels):
            m = sum(first[:, t] * z[c][t] for t in range(frames))
            logits = second @ (m * first_norm[0] + first_norm[1]).clamp(min=0)
            grown = torch.exp(logits - logits.detach().max())
            theta = grown / grown.sum()  # (3)
            for t in range(frames):
                total = torch.zeros_like(clip[c, t])
                for k in range(taps):
                    s = t + k - taps // 2
                    if 0 <= s < frames:
                        total = total + theta[k] * gates[s][c] * clip[c, s]  # (4)
                maps.append(total)
        clips.append(torch.stack(maps).view_as(clip))
    return torch.stack(clips)
