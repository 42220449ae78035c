"""The exercises on deformable convolution that ask for code: the taps' places, and the layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.spatial.deformable_convolution import Lattice, deformable_convolution

CHAPTER = "spatial/deformable_convolution"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. Where the taps read ------------------------------------------------------------------


def _places(offsets: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    lattice = Lattice((3, 3), stride, padding, dilation)
    down = offsets[..., 0] + lattice.rows(offsets.shape[2], offsets)
    across = offsets[..., 1] + lattice.columns(offsets.shape[3], offsets)
    return torch.stack([down, across], dim=-1)


@recipe
def _written(
    *,
    turned: bool = False,
    centred: bool = False,
    strides: bool = True,
    spread: bool = True,
    moved: bool = True,
    sign: float = 1.0,
    swapped: bool = False,
    scaled: bool = False,
) -> Function:
    """The places written out, with one step changed by each argument."""

    def places(offsets: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
        step = dilation if spread else 1
        u = torch.arange(3).to(offsets) * step - (step if centred else padding)
        row, column = u.repeat_interleave(3)[:, None, None], u.repeat(3)[:, None, None]
        if turned:
            row, column = column, row
        i = torch.arange(offsets.shape[2]).to(offsets)[:, None]
        j = torch.arange(offsets.shape[3]).to(offsets)
        i, j = (i * stride, j * stride) if strides else (i, j)
        still = torch.stack([(i + row).expand(offsets.shape[1:4]),
                             (j + column).expand(offsets.shape[1:4])], dim=-1)  # fmt: skip
        delta = offsets.flip(-1) if swapped else offsets
        delta = delta * dilation if scaled else delta
        return still + sign * delta if moved else still.expand(offsets.shape) + 0 * offsets

    return places


def _taps(
    b: int, rows: int, columns: int, stride: int, padding: int, dilation: int, **like: Any
) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        offsets = torch.randn(b, 9, rows, columns, 2, generator=generator, **like)
        numbers = {"stride": stride, "padding": padding, "dilation": dilation}
        return {"offsets": offsets, **numbers}

    return draw


PLACES = FunctionExercise(
    chapter=CHAPTER,
    name="places",
    title="Where do the taps read?",
    level=1,
    task="Write `places(offsets, stride, padding, dilation)` for a kernel of 3 x 3: from offsets "
    "(b, 9, rows, columns, 2), row first, to the places (2) in pixels, in the same shape.",
    hints=(
        "Without offsets this is an ordinary convolution. Which pixel does its first tap read for "
        "the output in row 0 and column 0?",
        "Output (i, j) starts at row i * stride - padding; tap k stands k // 3 rows further down, "
        "times the dilation, and k % 3 columns further right.",
        "`torch.arange(3).repeat_interleave(3)` are the rows of the nine taps and "
        "`torch.arange(3).repeat(3)` their columns; give them two more axes, and stack.",
    ),
    explanation="The offsets come on top of the lattice of the ordinary convolution, in pixels of "
    "the input, whatever stride and dilation are.",
    reference=_places,
    alternatives=(_written(),),
    cases=(
        Case("stride 1, padding 1", _taps(2, 4, 4, 1, 1, 1)),
        Case("stride 2", _taps(1, 3, 5, 2, 1, 1)),
        Case("dilation 3, padding 2", _taps(2, 3, 2, 1, 2, 3)),
        Case("double precision", _taps(1, 2, 4, 2, 0, 2, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "a tap's place moves as far as its offset",
            lambda inputs, y: bool(torch.allclose(
                y - _places(0 * inputs["offsets"], *(inputs[n] for n in
                            ("stride", "padding", "dilation"))),
                inputs["offsets"], atol=1e-4)),
        ),
    ),
    misconceptions=(
        Misconception(
            "taps in columns",
            "You count the taps down the columns. Tap 1 stands to the right of tap 0.",
            _written(turned=True),
        ),
        Misconception(
            "a padding left out",
            "You centre the kernel on the output's position. The first tap stands `padding` "
            "outside the image, whatever the dilation.",
            _written(centred=True),
        ),
        Misconception(
            "a stride left out",
            "The next output position starts `stride` pixels further.",
            _written(strides=False),
        ),
        Misconception(
            "a dilation left out",
            "Neighbouring taps stand `dilation` pixels apart.",
            _written(spread=False),
        ),
        Misconception(
            "offsets left out",
            "These are the places of an ordinary convolution: add the offsets.",
            _written(moved=False),
        ),
        Misconception(
            "offsets subtracted",
            "An offset of one row down is added: p₀ + r + Δp.",
            _written(sign=-1.0),
        ),
        Misconception(
            "offsets with the column first",
            "The last axis of the offsets is (row, column), as that of the places is.",
            _written(swapped=True),
        ),
        Misconception(
            "offsets times the dilation",
            "Offsets are pixels already. Only the lattice is dilated.",
            _written(scaled=True),
        ),
    ),
)  # fmt: skip

# 3. The layer ----------------------------------------------------------------------------


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
        p = _places(offsets, 1, 1, 1)
        grid = torch.stack([(2 * p[..., 1] + 1 + 1e-5) / w - 1, (2 * p[..., 0] + 1 + 1e-5) / h - 1],
                           dim=-1)  # fmt: skip
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
            "You make places for `align_corners=False` and read them with True, or the reverse.",
            _layer_written(aligned=True),
        ),
        Misconception(
            "a mean over the taps",
            "A convolution adds its taps up: nothing is divided by nine.",
            _layer_written(mean=True),
        ),
    ),
)
