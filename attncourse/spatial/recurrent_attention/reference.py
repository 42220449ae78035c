"""RAM's equations with plain loops, to which the tests hold the module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.spatial.recurrent_attention.sensor import read_glimpse_reference


def recurrent_attention_reference(
    x: Float[Tensor, "b c h w"],
    weights: Mapping[str, Tensor],
    *,
    steps: int,
    glimpse: int,
    scales: int = 1,
    product: bool = True,
    context: int = 0,
) -> Float[Tensor, "b n"]:
    """Equations (1) to (6) with the policy's means, one image and one look at a time.

    Args:
        x: the images.
        weights: the module's parameters by name; without ``upper`` the one state also decides.
        steps: number of looks.
        glimpse: side of a square.
        scales: number of squares.
        product: multiply what and where, or add them.
        context: side of the small version of the image, or 0.
    """

    def linear(name: str, vector: Tensor) -> Tensor:
        return weights[f"{name}.weight"] @ vector + weights[f"{name}.bias"]

    def cell(name: str, value: Tensor, state: Tensor) -> Tensor:
        new = weights[f"{name}.weight_ih"] @ value + weights[f"{name}.bias_ih"]
        old = weights[f"{name}.weight_hh"] @ state + weights[f"{name}.bias_hh"]
        return (new + old).clamp(min=0)

    scores = []
    for image in x:
        r1 = r2 = image.new_zeros(len(weights["lower.bias_ih"]))
        if context:
            small = F.interpolate(image[None], (context, context), mode="bilinear")
            r2 = linear("coarse", small.flatten()).clamp(min=0)
        for step in range(steps):
            location = linear("emit", r2).clamp(-1, 1)  # (5)
            if step == 0 and not context:
                location = torch.zeros_like(location)
            pixels = read_glimpse_reference(image[None], location[None], glimpse, scales)
            what = linear("what_out", linear("what_in", pixels.flatten()).clamp(min=0))
            where = linear("where_out", linear("where_in", location).clamp(min=0))
            seen = (what + where).clamp(min=0)
            if product:
                seen = what.clamp(min=0) * where.clamp(min=0)  # (3)
            r1 = cell("lower", seen, r1)
            r2 = cell("upper", r1, r2) if "upper.bias_ih" in weights else r1  # (4)
        scores.append(linear("classify", r1))  # (6)
    return torch.stack(scores)
