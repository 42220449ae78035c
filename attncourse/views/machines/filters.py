"""The filter machine: a first look switches filters on or off, a second look uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import (
    Goal,
    as_lists,
    as_presets,
    convolved,
    exact,
    grey_image,
    machine,
    square_kernels,
)
from attncourse.views.show import Picture, show

#: What the gater sees: the mean, and the mean size of the step to the right and downwards.
FEATURES = ("brightness", "change across", "change down")
#: What the reader may choose: label, whether noise is added, whether gates are 0 or 1.
MODES: tuple[tuple[str, bool, bool], ...] = (
    ("in use", False, True),
    ("training, soft", True, False),
    ("training, hard", True, True),
)


def filter_machine(
    x: np.ndarray,
    kernels: Any,
    weight: Any,
    bias: Any,
    *,
    id: str,
    alt: str,
    names: Sequence[str],
    presets: Mapping[str, np.ndarray] | None = None,
    limits: tuple[float, float] = (-4.0, 4.0),
    most: float = 1.0,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint, turn or invert a picture, and see which filters a gater switches on for it.

    The gater sees three numbers, :data:`FEATURES`; the scores are ``weight @ features + bias``.

    Args:
        x: (h, w), 0 to 1.
        kernels: (k, side, side), one filter or more, side odd.
        weight: (k, 3).
        bias: (k,).
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        names: of the filters.
        presets: name of a button -> the picture that it makes.
        limits: ends of the bars of scores.
        most: the number that is white in the maps.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit or a value is not finite.
    """
    count = len(names)
    x, checked = grey_image(x), square_kernels(kernels, count)
    if min(x.shape) < 2:
        raise ValueError(
            f"x has the shape {x.shape}: pass one grey image, (h, w), of at least two rows and "
            f"two columns, so that something can change between them"
        )
    for name, values, wanted in (("weight", weight, (count, 3)), ("bias", bias, (count,))):
        if np.shape(values) != wanted:
            raise ValueError(f"{name} has the shape {np.shape(values)}: pass {wanted}")
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "names": list(names),
        "features": list(FEATURES),
        "kernels": checked,
        "weight": as_lists(weight, "weight", 2),
        "bias": as_lists(bias, "bias", 1),
        "modes": [list(mode) for mode in MODES],
        "presets": as_presets(presets or {}, x.shape),
        "limits": list(limits),
        "most": most,
        "own": own_picture,
    }
    found = filter_numbers(x, kernels, weight, bias)
    return machine("filters", id, alt, spec, _poster(x, found, names, most, alt), goals)


def filter_numbers(
    x: np.ndarray, kernels: Any, weight: Any, bias: Any, mode: int = 0, noise: Any = 0.0
) -> dict[str, Any]:
    """What the page computes: the features, scores with their noise, gates, and gated maps."""
    x = np.asarray(x, dtype=float)
    features = np.array(
        [x.mean(), np.abs(np.diff(x, axis=1)).mean(), np.abs(np.diff(x, axis=0)).mean()]
    )
    _, noisy, hard = MODES[mode]
    tau = exact(weight) @ features + exact(bias) + (np.asarray(noise) if noisy else 0)
    soft = np.clip(1.2 / (1 + np.exp(-tau)) - 0.1, 0, 1)
    gates = (tau > 0).astype(float) if hard else soft
    maps = np.stack([np.maximum(convolved(x, kernel), 0) for kernel in exact(kernels)])
    return {"features": features, "tau": tau, "gates": gates, "y": gates[:, None, None] * maps}


def _poster(
    x: np.ndarray, found: Mapping[str, Any], names: Sequence[str], most: float, alt: str
) -> Picture:
    figure, axes = plt.subplots(1, len(names) + 1, figsize=(7.2, 1.9))
    axes[0].imshow(x, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("x")
    for axis, name, gate, seen in zip(axes[1:], names, found["gates"], found["y"], strict=True):
        axis.imshow(seen, cmap="gray", vmin=0, vmax=most)
        axis.set_title(f"{name}: {gate:.0f}")
    for axis in axes:
        axis.axis("off")
    return show(figure, alt=alt, dpi=100)
