"""The block with plain loops, to which the tests hold the module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def sca_cnn_reference(
    x: Float[Tensor, "b c h w"],
    question: Float[Tensor, "b d"],
    weights: Mapping[str, Tensor],
    *,
    order: str = "CS",
    rescale: bool = True,
) -> Float[Tensor, "b c h w"]:
    """Equations (1) to (8), one image, one position, one channel and one unit at a time.

    Args:
        x: the map.
        question: h, one for each image.
        weights: the module's parameters by name.
        order: which attention comes first, as for the module.
        rescale: multiply the weights by how many they are.
    """

    def hidden(part: str, given: Tensor, h: Tensor) -> Tensor:
        look, ask = weights[f"{part}.look.weight"], weights[f"{part}.ask.weight"]
        units = []
        for a in range(look.shape[0]):
            unit = weights[f"{part}.look.bias"][a]
            for c in range(look.shape[1]):
                unit = unit + look[a, c] * given[c]
            for d in range(ask.shape[1]):
                unit = unit + ask[a, d] * h[d]
            units.append(torch.tanh(unit))
        return torch.stack(units)

    def shares(part: str, givens: list[Tensor], h: Tensor) -> list[Tensor]:
        scores = [
            (weights[f"{part}.score.weight"][0] * hidden(part, given, h)).sum() for given in givens
        ]
        largest = max(float(score.detach()) for score in scores)
        terms = [torch.exp(score - largest) for score in scores]
        total = sum(terms)
        return [term / total * (len(terms) if rescale else 1) for term in terms]

    images = []
    for image, h in zip(x, question, strict=True):
        rows = [list(channel.flatten()) for channel in image]
        for kind in order:
            channels, positions = range(len(rows)), range(len(rows[0]))
            if kind == "S":
                columns = [torch.stack([rows[c][i] for c in channels]) for i in positions]
                alpha = shares("where", columns, h)  # (1), (2)
                rows = [[alpha[i] * rows[c][i] for i in positions] for c in channels]  # (3)
            else:
                means = [(sum(rows[c]) / len(positions)).reshape(1) for c in channels]  # (4)
                beta = shares("what", means, h)  # (5)
                rows = [[beta[c] * rows[c][i] for i in positions] for c in channels]  # (6)
        images.append(torch.stack([torch.stack(row) for row in rows]).view_as(image))
    return torch.stack(images)
