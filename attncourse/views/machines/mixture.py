"""The mixture machine: branches with kernels of their own, a weight for each, the mixed result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.explorer import _finite
from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import (
    Goal,
    as_lists,
    as_presets,
    convolved,
    exact,
    grey_image,
    machine,
    softmax,
)
from attncourse.views.show import Picture, show


@dataclass(frozen=True)
class Branch:
    """One branch: a kernel for each channel, and the scores of its channels.

    Attributes:
        name: as the reader sees it.
        kernels: (channels, side, side), side odd.
        biases: (channels,), added before the ReLU.
        score: (channels, d), A of the equations.
        dilation: distance of neighbouring taps.
    """

    name: str
    kernels: Any
    biases: Any
    score: Any
    dilation: int = 1


def mixture_machine(
    x: np.ndarray,
    branches: Sequence[Branch],
    *,
    id: str,
    alt: str,
    channels: Sequence[str],
    reduce: np.ndarray,
    reduce_bias: np.ndarray,
    presets: Mapping[str, np.ndarray] | None = None,
    limits: Sequence[tuple[float, float]] = ((0.0, 1.0), (-2.0, 2.0)),
    most: float = 1.0,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint the input and see how much of each branch goes into the mixture.

    Args:
        x: (h, w), 0 to 1.
        branches: two or more.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        channels: their names.
        reduce: (d, channels), W of the equations.
        reduce_bias: (d,).
        presets: name of a button -> the input that it makes.
        limits: ends of the bars of means and scores.
        most: the number that is white in the filtered maps.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit or a value is not finite.
    """
    x = grey_image(x)
    reduce = _finite(reduce, "reduce")
    for branch in branches:
        kernels, score = np.shape(branch.kernels), np.shape(branch.score)
        if len(kernels) != 3 or kernels[0] != len(channels) or kernels[1] % 2 == 0:
            raise ValueError(
                f"{branch.name!r} has kernels of shape {kernels}: pass ({len(channels)}, side, "
                f"side) with an odd side"
            )
        if score != (len(channels), len(reduce)):
            raise ValueError(
                f"{branch.name!r} has a score of shape {score}: it must be "
                f"({len(channels)}, {len(reduce)})"
            )
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "channels": list(channels),
        "branches": [
            {
                "name": branch.name,
                "dilation": branch.dilation,
                "kernels": as_lists(branch.kernels, "kernels", 3),
                "biases": as_lists(branch.biases, "biases", 1),
                "score": as_lists(branch.score, "score", 2),
            }
            for branch in branches
        ],
        "reduce": reduce.tolist(),
        "reduce_bias": as_lists(reduce_bias, "reduce_bias", 1),
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "limits": [list(pair) for pair in limits],
        "most": most,
        "own": own_picture,
    }
    numbers = mixture_numbers(x, branches, reduce, reduce_bias)
    poster = _poster(x, numbers, [b.name for b in branches], channels, most, alt)
    return machine("mixture", id, alt, spec, poster, goals)


def mixture_numbers(
    x: np.ndarray,
    branches: Sequence[Branch],
    reduce: np.ndarray,
    reduce_bias: np.ndarray,
) -> dict[str, np.ndarray]:
    """What the page computes: means, z, scores, shares of the branches, the mixed maps."""
    maps = np.stack([_filtered(np.asarray(x, dtype=float), branch) for branch in branches])
    means = maps.sum(axis=0).mean(axis=(1, 2))
    z = np.maximum(exact(reduce) @ means + exact(reduce_bias), 0)
    logits = np.stack([exact(branch.score) @ z for branch in branches])
    share = softmax(logits, axis=0)
    mixed = (share[:, :, None, None] * maps).sum(axis=0)
    return {
        "maps": maps, "means": means, "z": z, "logits": logits, "share": share, "mixed": mixed,
    }  # fmt: skip


def _filtered(x: np.ndarray, branch: Branch) -> np.ndarray:
    """relu(kernel * x + bias) of every channel, with zeros outside."""
    pairs = zip(exact(branch.kernels), exact(branch.biases), strict=True)
    return np.stack([np.maximum(convolved(x, k, bias, branch.dilation), 0) for k, bias in pairs])


def _poster(
    x: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    branches: Sequence[str],
    channels: Sequence[str],
    most: float,
    alt: str,
) -> Picture:
    figure, axes = plt.subplots(
        len(channels), len(branches) + 2, figsize=(7.2, 1.9 * len(channels)), squeeze=False
    )
    for c, channel in enumerate(channels):
        axes[c, 0].imshow(x, cmap="gray", vmin=0, vmax=1)
        axes[c, 0].set_title("x")
        for k, name in enumerate(branches):
            axes[c, k + 1].imshow(numbers["maps"][k, c], cmap="gray", vmin=0, vmax=most)
            axes[c, k + 1].set_title(f"{name}: {100 * numbers['share'][k, c]:.0f} %")
        axes[c, -1].imshow(numbers["mixed"][c], cmap="gray", vmin=0, vmax=most)
        axes[c, -1].set_title(f"mixture, {channel}")
    for axis in axes.flat:
        axis.axis("off")
    return show(figure, alt=alt, dpi=100)
