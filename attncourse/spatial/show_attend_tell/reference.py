"""The decoder with plain loops, to which the tests hold the module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def show_attend_tell_reference(
    x: Float[Tensor, "b c h w"],
    weights: Mapping[str, Tensor],
    *,
    steps: int,
    hard: bool = False,
) -> Float[Tensor, "b t k"]:
    """Equations (1) to (7), one image, one word, one position and one score at a time.

    Args:
        x: the feature maps.
        weights: the module's parameters by name; with ``gate`` the context has its scalar.
        steps: number of words.
        hard: read at the largest weight in place of the mean.
    """

    def linear(name: str, vector: Tensor) -> Tensor:
        product = weights[f"{name}.weight"] @ vector
        return product + weights.get(f"{name}.bias", 0.0)

    captions = []
    for image in x:
        annotations = [image[:, i, j] for i in range(image.shape[1]) for j in range(image.shape[2])]
        mean = torch.stack(annotations).mean(dim=0)
        state = torch.tanh(linear("first_state", mean))  # (7)
        cell = torch.tanh(linear("first_cell", mean))
        word = image.new_zeros(weights["embedding.weight"].shape[1])
        caption = []
        for _ in range(steps):
            scores = [
                linear("score", torch.tanh(linear("key", a) + linear("query", state)))[0]
                for a in annotations
            ]  # (1)
            largest = max(float(e.detach()) for e in scores)
            exponentials = [torch.exp(e - largest) for e in scores]
            total = torch.stack(exponentials).sum()
            context = torch.zeros_like(mean)
            for a, e in zip(annotations, exponentials, strict=True):
                context = context + e / total * a  # (2) and (3)
            if hard:
                context = annotations[int(torch.stack(scores).argmax())]
            if "gate.weight" in weights:
                context = torch.sigmoid(linear("gate", state)) * context
            i, f, o, g = linear("lstm", torch.cat([word, state, context])).chunk(4)  # (4)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)  # (5)
            state = torch.sigmoid(o) * torch.tanh(cell)
            inner = word + linear("from_state", state) + linear("from_context", context)
            caption.append(linear("answer", inner))  # (6)
            word = weights["embedding.weight"][int(caption[-1].argmax())]
        captions.append(torch.stack(caption))
    return torch.stack(captions)
