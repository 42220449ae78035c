"""The exercise on the places at which the taps of a deformable convolution read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.spatial.deformable_convolution import Lattice

CHAPTER = "spatial/deformable_convolution"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]


def places_of(offsets: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    """Where the nine taps of a 3 x 3 kernel read, equation (2)."""
    lattice = Lattice((3, 3), stride, padding, dilation)
    down = offsets[..., 0] + lattice.rows(offsets.shape[2], offsets)
    across = offsets[..., 1] + lattice.columns(offsets.shape[3], offsets)
    return torch.stack([down, across], dim=-1)


@recipe
def _written(
    *,
    turned: bool = False,
    start: str = "padding",
    exchanged: bool = False,
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
        first = {
            "padding": -padding, "middle": -step, "none": 0, "dilated": -padding * dilation,
            "inside": padding,
        }[start]  # fmt: skip
        u = torch.arange(3).to(offsets) * step + first
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
        found = still + sign * delta if moved else still.expand(offsets.shape) + 0 * offsets
        return found.flip(-1) if exchanged else found

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
    reference=places_of,
    alternatives=(_written(),),
    cases=(
        Case("stride 1, padding 1", _taps(2, 4, 4, 1, 1, 1)),
        Case("stride 2", _taps(1, 3, 5, 2, 1, 1)),
        Case("dilation 3, padding 2", _taps(2, 3, 2, 1, 2, 3)),
        Case("double precision", _taps(1, 2, 4, 2, 0, 2, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "a place less its offset is a whole number of pixels",
            lambda inputs, y: bool(torch.allclose(
                y - inputs["offsets"], (y - inputs["offsets"]).round(), atol=1e-4)),
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
            "The first tap of the first output stands in row `-padding` and column `-padding`, "
            "outside the image.",
            _written(start="none"),
        ),
        Misconception(
            "a kernel centred on its output",
            "You centre the kernel on the output's position. The first tap stands `padding` "
            "outside the image, whatever the dilation.",
            _written(start="middle"),
        ),
        Misconception(
            "a padding times the dilation",
            "Padding is counted in pixels. Only the distance of the taps is dilated.",
            _written(start="dilated"),
        ),
        Misconception(
            "a padding added",
            "Padding puts the first tap outside the image: it is subtracted.",
            _written(start="inside"),
        ),
        Misconception(
            "places with the column first",
            "You give (column, row). The last axis of the places is (row, column), as that of "
            "the offsets is.",
            _written(exchanged=True),
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
