"""RSTAN straight from its equations: one clip, one step, one frame and one position at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def shares(scores: list[Tensor]) -> list[Tensor]:
    """A softmax of a list of numbers."""
    largest = max(float(e.detach()) for e in scores)
    exponentials = [torch.exp(e - largest) for e in scores]
    total = torch.stack(exponentials).sum()
    return [e / total for e in exponentials]


def mixed(weights: list[Tensor], vectors: list[Tensor]) -> Tensor:
    """The sum of vectors under their weights."""
    total = torch.zeros_like(vectors[0])
    for weight, vector in zip(weights, vectors, strict=True):
        total = total + weight * vector
    return total


def rstan_reference(
    x: Float[Tensor, "b c t h w"],
    weights: Mapping[str, Tensor],
    *,
    steps: int,
) -> Float[Tensor, "b s k"]:
    """Equations (1) to (8), with the module's parameters by name.

    Without a ``frame_key`` the frames are weighed by equation (12), as ``flat`` does.
    """

    def linear(name: str, vector: Tensor) -> Tensor:
        product = weights[f"{name}.weight"] @ vector
        return product + weights.get(f"{name}.bias", 0.0)

    clips = []
    for clip in x:
        frames = [
            [clip[:, t, i, j] for i in range(clip.shape[2]) for j in range(clip.shape[3])]
            for t in range(clip.shape[1])
        ]
        state = cell = x.new_zeros(weights["answer.weight"].shape[1])
        told = []
        for _ in range(steps):
            u, frame_scores = [], []
            for places in frames:
                e = [
                    linear("score", torch.tanh(linear("query", state) + linear("key", p)))[0]
                    for p in places
                ]  # (1)
                u.append(mixed(shares(e), places))  # (2) and (3)
                if "frame_key.weight" in weights:
                    hidden = linear("frame_query", state) + linear("frame_key", u[-1])
                    frame_scores.append(linear("frame_score", torch.tanh(hidden))[0])  # (4)
                else:
                    frame_scores.append(torch.logsumexp(torch.stack(e), dim=0))  # (12)
            z = mixed(shares(frame_scores), u)  # (5) and (6)
            admit, keep, show, new = linear("lstm", torch.cat([z, state])).chunk(4)  # (7)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(admit) * torch.tanh(new)
            state = torch.sigmoid(show) * torch.tanh(cell)
            told.append(linear("answer", state))  # (8)
        clips.append(torch.stack(told))
    return torch.stack(clips)
