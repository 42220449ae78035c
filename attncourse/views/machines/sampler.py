"""The sampler machine: points at which an image is read, and one reading shown whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.explorer import _finite
from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import Goal, machine
from attncourse.views.show import Picture, show
from attncourse.views.style import PALETTE

#: Step of the sliders, and how much more than the image the picture shows.
STEP, REACH = 0.02, 1.5


def sampler(
    image: np.ndarray,
    mode: str,
    start: Sequence[float],
    presets: Mapping[str, Sequence[float]],
    *,
    id: str,
    alt: str,
    limit: float,
    label: str,
    poster: Picture,
    goals: Sequence[Goal] = (),
    reach: float = REACH,
    own_picture: bool = False,
    **more: Any,
) -> Fragment:
    """The figure of one mode.

    Raises:
        ValueError: if the image is not (h, w) and finite, or a setting is not on the scale.
    """
    image = grey_image(image)
    for name, numbers in {"start": start, **presets}.items():
        if len(numbers) != len(start) or not all(_on_the_scale(v, limit) for v in numbers):
            raise ValueError(
                f"{name}={tuple(numbers)} must be {len(start)} multiples of {STEP} from "
                f"-{limit:g} to {limit:g}: the sliders reach no others"
            )
    spec = {
        "mode": mode,
        "image": encode(image),
        "image_shape": list(image.shape),
        "start": [float(v) for v in start],
        "presets": [[name, [float(v) for v in numbers]] for name, numbers in presets.items()],
        "limit": limit,
        "step": STEP,
        "reach": reach,
        "label": label,
        "own": own_picture,
        **more,
    }
    return machine("sampler", id, alt, spec, poster, goals)


def grey_image(image: np.ndarray) -> np.ndarray:
    """``image`` as float32.

    Raises:
        ValueError: unless it is (h, w) and finite.
    """
    image = _finite(image, "image")
    if image.ndim != 2:
        raise ValueError(f"image has the shape {image.shape}: pass one grey image, (h, w)")
    return image


def glimpse_machine(
    image: np.ndarray,
    *,
    id: str,
    alt: str,
    size: int,
    scales: int = 1,
    start: tuple[float, float] = (0.0, 0.0),
    presets: Mapping[str, Sequence[float]] | None = None,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Move a glimpse over an image and see the few numbers that a network gets of it.

    Args:
        image: (h, w), grey, values 0 to 1.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        size: numbers along a square, and pixels along the finest one.
        scales: number of squares, each twice as wide as the one before.
        start: the first location (x, y), multiples of 0.02 from -1 to 1.
        presets: name of a button -> the location that it makes.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if the image is not (h, w) and finite, or a setting is not on the scale.
    """
    image = grey_image(image)
    figure, axis = plt.subplots(figsize=(3.4, 3.4))
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    middle = [
        (n - 1) / 2 + at * max(n - size, 0) / 2
        for n, at in zip(image.shape[::-1], start, strict=True)
    ]
    for scale in range(scales):
        side = size * 2**scale
        corner = [m - side / 2 for m in middle]
        axis.add_patch(
            plt.Rectangle(corner, side, side, fill=False, lw=2, ec=PALETTE["attention"])  # type: ignore[arg-type]
        )
    axis.axis("off")
    return sampler(
        image, "glimpse", start, {"middle": (0.0, 0.0), **(presets or {})}, id=id, alt=alt,
        limit=1.0, label="Drag the centre of the glimpse, or move it with the arrow keys.",
        poster=show(figure, alt=alt, dpi=100), goals=goals, reach=1.15, size=size, scales=scales,
        own_picture=own_picture,
    )  # fmt: skip


def taps_machine(
    image: np.ndarray,
    weights: Sequence[float],
    *,
    id: str,
    alt: str,
    centre: tuple[float, float] = (0.0, 0.0),
    start: Sequence[float] | None = None,
    presets: Mapping[str, Sequence[float]] | None = None,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Drag the taps of a kernel: every offset is a place, every place a reading.

    Args:
        image: (h, w), grey, values 0 to 1.
        weights: of the kernel's taps, row by row; a square number of them.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        centre: where the kernel stands, (x, y) in [-1, 1].
        start: offsets x, y of each tap in pixels, multiples of 0.02 from -6 to 6; zeros without.
        presets: name of a button -> offsets.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if the image is not (h, w) and finite, or a setting is not on the scale.
    """
    count = len(weights)
    if round(count**0.5) ** 2 != count:
        raise ValueError(f"weights holds {count} numbers: a kernel needs a square number of taps")
    zeros = [0.0] * (2 * count)
    image = grey_image(image)
    figure, axis = plt.subplots(figsize=(3.4, 3.4))
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    half = (round(count**0.5) - 1) / 2
    shift = np.asarray(start or zeros).reshape(-1, 2)
    for k in range(count):
        down, across = divmod(k, round(count**0.5))
        x = ((centre[0] + 1) * image.shape[1] - 1) / 2 + across - half + shift[k, 0]
        y = ((centre[1] + 1) * image.shape[0] - 1) / 2 + down - half + shift[k, 1]
        axis.plot(x, y, "o", color=PALETTE["attention"])
    axis.axis("off")
    return sampler(
        image, "taps", start or zeros, {"no offsets": zeros, **(presets or {})}, id=id, alt=alt,
        limit=6.0, label="Drag the taps, or choose a reading and move its tap with the arrow keys.",
        poster=show(figure, alt=alt, dpi=100), goals=goals, reach=1.15, own_picture=own_picture,
        weights=[float(np.float32(v)) for v in weights], centre=list(centre),
    )  # fmt: skip


def _on_the_scale(value: float, limit: float) -> bool:
    return abs(value) <= limit and abs(value / STEP - round(value / STEP)) < 1e-6
