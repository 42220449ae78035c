"""An explorer for one warp: six numbers, the grid that they make, and what is read through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.fragment import Fragment
from attncourse.views.machines.bench import Goal
from attncourse.views.machines.sampler import REACH, grey_image, sampler
from attncourse.views.show import show
from attncourse.views.style import PALETTE

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def explore_warp(
    image: np.ndarray,
    *,
    id: str,
    alt: str,
    theta: Sequence[float] = _IDENTITY,
    out_size: tuple[int, int] = (16, 16),
    presets: Mapping[str, Sequence[float]] | None = None,
    own_picture: bool = False,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Drag the six parameters of an affine warp and see the grid and the resampled image.

    Three handles move two numbers each, sliders one; the page computes the bilinear readings
    itself, with zeros outside and pixel edges at -1 and 1.

    Args:
        image: (h, w), grey, values 0 to 1.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        theta: the first setting, a 2 x 3 matrix row by row, multiples of 0.02 from -2 to 2.
        out_size: rows and columns of the output.
        presets: name of a button -> the setting that it makes.
        own_picture: let the reader put a picture of his own in, in grey.
        goals: what there is to reach.

    Raises:
        ValueError: if the image is not (h, w) and finite, or a setting is not six such numbers.
    """
    image = grey_image(image)
    if len(theta) != 6:
        raise ValueError(f"theta={tuple(theta)} must be 6 multiples of 0.02 from -2 to 2")
    buttons = {"identity": _IDENTITY, **(presets or {})}
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2), width_ratios=(1.3, 1))
    edges = (-1, 1, 1, -1)
    left.imshow(image, cmap="gray", vmin=0, vmax=1, extent=edges)
    grid = warp_points(theta, out_size)
    left.plot(*grid.reshape(-1, 2).T, ".", ms=2, color=PALETTE["attention"])
    left.set(xlim=(-REACH, REACH), ylim=(REACH, -REACH))
    right.imshow(read_bilinear(image, grid), cmap="gray", vmin=0, vmax=1)
    for axes in (left, right):
        axes.axis("off")
    return sampler(
        image, "affine", theta, buttons, id=id, alt=alt, limit=2.0,
        poster=show(figure, alt=alt, dpi=144),
        label="Drag the centre (+), the x end or the y end of the grid; or move the grid with "
        "the arrow keys, and each number with its slider below.",
        goals=goals, own_picture=own_picture, out=list(out_size),
    )  # fmt: skip


def warp_points(theta: Sequence[float], out_size: tuple[int, int]) -> np.ndarray:
    """Source points (rows, columns, 2) of an affine warp, as the page computes them."""
    y, x = ((2 * np.arange(size) + 1) / size - 1 for size in out_size)
    points = np.stack([*np.broadcast_arrays(x, y[:, None]), np.ones(out_size)], axis=-1)
    return points @ np.asarray(theta, dtype=float).reshape(2, 3).T


def read_bilinear(image: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The image at the points (x, y) of ``grid``, bilinearly, with zeros outside."""
    padded = np.pad(np.asarray(image, dtype=float), 1)
    places = []
    for coordinate, size in zip((grid[..., 1], grid[..., 0]), image.shape, strict=True):
        # One pixel of zeros is enough: whatever lies further out reads the same.
        places.append(np.clip(((coordinate + 1) * size - 1) / 2 + 1, 0, size + 1))
    n, m = (
        np.minimum(np.floor(p).astype(int), s) for p, s in zip(places, image.shape, strict=True)
    )
    b, a = places[0] - n, places[1] - m
    upper = (1 - a) * padded[n, m] + a * padded[n, m + 1]
    lower = (1 - a) * padded[n + 1, m] + a * padded[n + 1, m + 1]
    return np.asarray((1 - b) * upper + b * lower)
