"""The exercise that asks for the layer itself: read the taps, weigh them, add them up."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.spatial.deformable_convolution.places import (
    CHAPTER,
    Draw,
    Function,
    places_of,
)
from attncourse.spatial.deformable_convolution import deformable_convolution


def _offsets_of(numbers: Tensor) -> Tensor:
    return numbers.unflatten(1, (9, 2)).movedim(2, -1)


def _layer(x: Tensor, weight: Tensor, numbers: Tensor) -> Tensor:
    return deformable_convolution(x, weight, None, _offsets_of(numbers), padding=1)


@recipe
def _layer_written(
    *,
    planes: bool = False,
    swapped: bool = False,
    flipped: bool = False,
    border: str = "zeros",
    mode: str = "bilinear",
    aligned: bool = False,
    made: str = "edges",
    upright: bool = False,
    turned: bool = False,
    mean: bool = False,
) -> Function:
    """The layer written out with ``grid_sample``, with one step changed by each argument."""

    def deform(x: Tensor, weight: Tensor, numbers: Tensor) -> Tensor:
        h, w = x.shape[2:]
        offsets = _offsets_of(numbers)
        if planes:
            offsets = numbers.unflatten(1, (2, 9)).movedim(1, -1)
        offsets = offsets.flip(-1) if swapped else offsets
        p = places_of(offsets, 1, 1, 1)
        # Where -1 and 1 stand, as (2 place + shift) / span - 1.
        shift, less = {"edges": (1, 0), "centres": (0, 1), "corners": (0, 0)}[made]
        across = (2 * p[..., 1] + shift + 1e-5) / (w - less) - 1
        down = (2 * p[..., 0] + shift + 1e-5) / (h - less) - 1
        grid = torch.stack([down, across] if upright else [across, down], dim=-1)
        y: Any = 0
        kernel = weight.flip(2, 3) if flipped else weight
        kernel = (kernel.mT if turned else kernel).flatten(2)
        for k in range(9):
            read = F.grid_sample(
                x, grid[:, k], mode=mode, padding_mode=border, align_corners=aligned
            )
            y = y + torch.einsum("dc,bchw->bdhw", kernel[:, :, k], read)
        return y / 9 if mean else y

    return deform


def _maps(
    b: int, c: int, d: int, h: int, w: int, reach: float, *, whole: bool = False, **like: Any
) -> Draw:
    """Features, a kernel and offsets; ``whole`` ones are pixels, a little to the right and down."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        x = torch.randn(b, c, h, w, generator=generator, **like)
        weight = torch.randn(d, c, 3, 3, generator=generator, **like)
        offsets = reach * (2 * torch.rand(b, 18, h, w, generator=generator, **like) - 1)
        # On a pixel there are two slopes, and both are right: the check stays away from them.
        offsets = offsets.round() + 0.3 if whole else offsets.floor() + 0.1 + 0.8 * (
            offsets - offsets.floor())  # fmt: skip
        return {"x": x, "weight": weight, "numbers": offsets}

    return draw


LAYER = FunctionExercise(
    chapter=CHAPTER,
    name="deform",
    title="Write the layer",
    level=3,
    task="Write `deform(x, weight, numbers)`: a deformable convolution of (b, c, h, w) with a "
    "kernel (d, c, 3, 3), stride 1 and padding 1. `numbers` (b, 18, h, w) is what the side "
    "convolution gives: row and column of tap 0, row and column of tap 1, and so on. Use "
    "`grid_sample`; gradients are checked too.",
    hints=(
        "Find the nine places of every position first, as in exercise 1. "
        "`numbers.unflatten(1, (9, 2)).movedim(2, -1)` are the offsets.",
        "`grid_sample` wants the column first, from -1 at the outer edge of the first pixel to 1: "
        "`(2 * column + 1) / w - 1`, with `align_corners=False`.",
        "Read tap by tap, or all at once: a grid (b, 9 * h, w, 2) gives (b, c, 9 * h, w), which "
        "`.unflatten(2, (9, h))` takes apart.",
        "`torch.einsum('dck,bckhw->bdhw', weight.flatten(2), read)` adds up channels and taps.",
    ),
    explanation="The whole layer is one reading and one product. The package does both in one "
    "call each, for all taps.",
    reference=_layer,
    alternatives=(_layer_written(),),
    cases=(
        Case("offsets below two pixels", _maps(2, 2, 3, 5, 5, 2.0)),
        Case("not square", _maps(1, 3, 2, 3, 6, 1.5)),
        Case("far outside", _maps(2, 1, 1, 4, 3, 6.0)),
        Case("shifts of whole pixels and a bit", _maps(1, 2, 2, 4, 5, 1.0, whole=True)),
        Case("double precision", _maps(1, 2, 2, 4, 4, 2.0, dtype=torch.float64)),
    ),
    tolerance=Tolerance(relative=2e-3, absolute=1e-3),
    misconceptions=(
        Misconception(
            "all rows first, then all columns",
            "Row and column alternate: channel 2k is the row of tap k, and channel 2k + 1 its "
            "column.",
            _layer_written(planes=True),
        ),
        Misconception(
            "offsets with the column first",
            "The first of each two channels is the row. (`grid_sample` wants the column first, "
            "but that is its own order.)",
            _layer_written(swapped=True),
        ),
        Misconception(
            "a kernel turned around",
            "Tap 0 is `weight[:, :, 0, 0]`, up and to the left, as in `conv2d`: nothing is "
            "flipped.",
            _layer_written(flipped=True),
        ),
        Misconception(
            "a transposed kernel",
            "Tap 1 is `weight[:, :, 0, 1]`: the taps are in reading order.",
            _layer_written(turned=True),
        ),
        Misconception(
            "a repeated border",
            "Outside the image there are zeros, as an ordinary convolution pads.",
            _layer_written(border="border"),
        ),
        Misconception(
            "the nearest pixel",
            "You read one pixel. Its value does not change as the tap moves a little, so that no "
            "offset can learn.",
            _layer_written(mode="nearest"),
        ),
        Misconception(
            "two alignments that meet",
            "You make places for `align_corners=False` and read them with True.",
            _layer_written(aligned=True),
        ),
        Misconception(
            "places from the first pixel's centre",
            "You make places for `align_corners=True`, `2 * column / (w - 1) - 1`, and read them "
            "with False, for which -1 is the outer edge of the first pixel.",
            _layer_written(made="centres"),
        ),
        Misconception(
            "half a pixel left out",
            "With `align_corners=False` the centre of pixel 0 lies half a pixel inside the edge: "
            "`(2 * column + 1) / w - 1`.",
            _layer_written(made="corners"),
        ),
        Misconception(
            "a grid with the row first",
            "`grid_sample` wants the column first, then the row.",
            _layer_written(upright=True),
        ),
        Misconception(
            "a mean over the taps",
            "A convolution adds its taps up: nothing is divided by nine.",
            _layer_written(mean=True),
        ),
    ),
)
