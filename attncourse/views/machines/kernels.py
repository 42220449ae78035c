"""The kernel machine: kernels mixed for each picture, and one convolution with the mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import (
    ACTIVATIONS,
    Goal,
    as_lists,
    as_presets,
    convolved,
    exact,
    grey_image,
    machine,
    softmax,
    square_kernels,
)
from attncourse.views.show import Picture, show

#: What the reader may choose: label, kind, temperature.
MODES: tuple[tuple[str, str, float], ...] = (
    ("sigmoid", "sigmoid", 1.0),
    ("softmax", "softmax", 1.0),
    ("softmax, τ = 30", "softmax", 30.0),
    ("equal", "equal", 1.0),
)


def kernel_machine(
    x: np.ndarray,
    kernels: Any,
    slopes: Any,
    shifts: Any,
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
    """Paint, turn or invert a picture, and see how its kernel is mixed.

    The router sees one number, the mean of the picture; the score of kernel m is
    ``slopes[m] * mean + shifts[m]``.

    Args:
        x: (h, w), 0 to 1.
        kernels: (k, side, side), two or more, side odd.
        slopes: (k,).
        shifts: (k,).
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        names: of the kernels.
        presets: name of a button -> the input that it makes.
        limits: ends of the bars of scores.
        most: the number that is white in the maps.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit or a value is not finite.
    """
    x, checked = grey_image(x), square_kernels(kernels, len(names))
    for name, values in (("slopes", slopes), ("shifts", shifts)):
        if np.shape(values) != (len(names),):
            raise ValueError(f"{name} has the shape {np.shape(values)}: pass ({len(names)},)")
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "names": list(names),
        "kernels": checked,
        "slopes": as_lists(slopes, "slopes", 1),
        "shifts": as_lists(shifts, "shifts", 1),
        "modes": [list(mode) for mode in MODES],
        "presets": as_presets(presets or {}, x.shape),
        "limits": list(limits),
        "most": most,
        "own": own_picture,
    }
    found = kernel_numbers(x, kernels, slopes, shifts)
    return machine("kernels", id, alt, spec, _poster(x, kernels, found, names, most, alt), goals)


def kernel_numbers(
    x: np.ndarray, kernels: Any, slopes: Any, shifts: Any, mode: int = 0
) -> dict[str, Any]:
    """What the page computes: mean, scores, weights, the mixed kernel, and y in both ways."""
    kernels, mean = exact(kernels), float(np.mean(x))
    logits = exact(slopes) * mean + exact(shifts)
    _, kind, temperature = MODES[mode]
    if kind == "sigmoid":
        weights = ACTIVATIONS["sigmoid"](logits)
    else:
        even = logits / temperature if kind == "softmax" else 0 * logits
        weights = softmax(even)
    kernel = np.tensordot(weights, kernels, 1)
    parts = np.stack([convolved(x, one) for one in kernels])
    return {
        "mean": mean, "logits": logits, "weights": weights, "kernel": kernel,
        "y": np.maximum(convolved(x, kernel), 0),
        "outputs": np.maximum(np.tensordot(weights, parts, 1), 0),
    }  # fmt: skip


def _poster(
    x: np.ndarray,
    kernels: Any,
    found: Mapping[str, Any],
    names: Sequence[str],
    most: float,
    alt: str,
) -> Picture:
    figure, axes = plt.subplots(1, len(names) + 3, figsize=(7.2, 1.9))
    bound = float(np.abs(exact(kernels)).max())
    axes[0].imshow(x, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("x")
    shown = [
        *(
            (f"{name}: {weight:.2f}", kernel)
            for name, weight, kernel in zip(names, found["weights"], exact(kernels), strict=True)
        ),
        ("mixture", found["kernel"]),
    ]
    for axis, (title, kernel) in zip(axes[1:-1], shown, strict=True):
        axis.imshow(kernel, cmap="RdBu_r", vmin=-bound, vmax=bound)
        axis.set_title(title)
    axes[-1].imshow(found["y"], cmap="gray", vmin=0, vmax=most)
    axes[-1].set_title("y")
    for axis in axes:
        axis.axis("off")
    return show(figure, alt=alt, dpi=100)
