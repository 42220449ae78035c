"""Exercises on RAM that ask for a function: the glimpse sensor and the score-function estimate."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.spatial.recurrent_attention.sensor import read_glimpse, window_centre

CHAPTER = "spatial/recurrent_attention"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor | int | float]]

# 1. The sensor ---------------------------------------------------------------------------


def _images(b: int, c: int, h: int, w: int, size: int, reach: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor | int | float]:
        x = torch.randn(b, c, h, w, generator=generator)
        location = reach * (2 * torch.rand(b, 2, generator=generator) - 1)
        return {"x": x, "location": location, "size": size}

    return draw


def _read(
    x: Tensor,
    columns: Tensor,
    rows: Tensor,
    size: int,
    aligned: bool = False,
    outside: str = "zeros",
) -> Tensor:
    """Windows of ``size`` around pixel coordinates (b,), as a learner may write them."""
    height, width = x.shape[2:]
    offset = torch.arange(size, dtype=x.dtype) - (size - 1) / 2
    across, down = columns[:, None] + offset, rows[:, None] + offset
    if aligned:
        across, down = 2 * across / max(width - 1, 1) - 1, 2 * down / max(height - 1, 1) - 1
    else:
        across, down = (2 * across + 1) / width - 1, (2 * down + 1) / height - 1
    grid = torch.stack(
        [across[:, None, :].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], dim=-1
    )
    return F.grid_sample(x, grid, align_corners=aligned, padding_mode=outside)


@recipe
def _sensor(
    *,
    swapped: bool = False,
    middle: Callable[[Tensor, int, int], Tensor] = window_centre,
    one_side: bool = False,
    whole: bool = False,
    corner: bool = False,
    clamped: bool = False,
    outside: str = "zeros",
    aligned: bool = False,
) -> Function:
    """The sensor at one scale, with one step changed by each argument."""

    def glimpse(x: Tensor, location: Tensor, size: int) -> Tensor:
        height, width = x.shape[2:]
        location = location.flip(1) if swapped else location
        location = location.clamp(-1, 1) if clamped else location
        columns = middle(location[:, 0], size, width)
        rows = middle(location[:, 1], size, width if one_side else height)
        if corner:
            columns, rows = columns + (size - 1) / 2, rows + (size - 1) / 2
        if whole:
            columns = (columns - (size - 1) / 2).round() + (size - 1) / 2
            rows = (rows - (size - 1) / 2).round() + (size - 1) / 2
        return _read(x, columns, rows, size, aligned=aligned, outside=outside)

    return glimpse


def _on_the_border(location: Tensor, size: int, length: int) -> Tensor:
    return (location + 1) * length / 2 - 0.5


def _unbounded(location: Tensor, size: int, length: int) -> Tensor:
    return (length - 1) / 2 + location * (length - size) / 2


def _half_pixel(x: Tensor, location: Tensor, size: int) -> Tensor:
    """Pixel coordinates turned into grid_sample's as if align_corners were on, with it off."""
    height, width = x.shape[2:]
    columns = window_centre(location[:, 0], size, width)
    rows = window_centre(location[:, 1], size, height)
    offset = torch.arange(size, dtype=x.dtype) - (size - 1) / 2
    across = 2 * (columns[:, None] + offset) / (width - 1) - 1
    down = 2 * (rows[:, None] + offset) / (height - 1) - 1
    grid = torch.stack(
        [across[:, None, :].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], dim=-1
    )
    return F.grid_sample(x, grid, align_corners=False)


GLIMPSE = FunctionExercise(
    chapter=CHAPTER,
    name="glimpse",
    title="Write the glimpse sensor",
    level=1,
    task="Write `glimpse(x, location, size)`: one window of size by size pixels for each image, "
    "(b, c, size, size), bilinear, without a loop over the batch.",
    hints=(
        "First find the pixel coordinates of every point of the window: equation (1) gives the "
        "middle, and `torch.arange(size) - (size - 1) / 2` the offsets from it.",
        "`F.grid_sample(x, grid, align_corners=False)` wants a grid (b, size, size, 2) of pairs "
        "(x, y). It finds pixel j of an axis of n pixels at (2 j + 1) / n - 1.",
        "Build `across`, (b, size), from `location[:, :1]` and the width, and `down` from "
        "`location[:, 1:]` and the height. Then expand: `across[:, None, :]` over rows, "
        "`down[:, :, None]` over columns, and stack along the last axis, across first.",
    ),
    explanation="One call reads a window for each image of the batch, and its gradient reaches "
    "the location as well.",
    reference=lambda x, location, size: read_glimpse(x, location, size)[:, 0],
    alternatives=(_sensor(), _sensor(aligned=True)),
    no_loop=(0,),
    cases=(
        Case("plain", _images(4, 1, 10, 10, 5)),
        Case("not square", _images(3, 2, 12, 19, 5)),
        Case("one image", _images(1, 3, 9, 14, 4)),
        Case("near the middle", _images(5, 1, 11, 13, 4, reach=0.2)),
        Case("a window larger than the image", _images(3, 1, 5, 8, 7)),
        Case("locations beyond the border", _images(4, 1, 9, 7, 4, reach=2.0)),
    ),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "a location taken as (row, column)",
            "A location is (x, y): its first number goes with the width, its second with the "
            "height.",
            _sensor(swapped=True),
        ),
        Misconception(
            "the centre mapped to the border",
            "At l = 1 half of your window lies outside, in a corner three quarters. Equation (1) "
            "scales by (W - size)/2, so "
            "that the window ends where the image ends.",
            _sensor(middle=_on_the_border),
        ),
        Misconception(
            "one side length for both axes",
            "You use the width for rows too. A circulating port has this slip; square images hide "
            "it.",
            _sensor(one_side=True),
        ),
        Misconception(
            "windows at whole pixels",
            "Rounding finds the nearest pixels, but then no gradient reaches the location. Read "
            "between the pixels.",
            _sensor(whole=True),
        ),
        Misconception(
            "a window that starts at its middle",
            "The point from equation (1) is the window's middle, so the offsets run from "
            "-(size - 1)/2 to (size - 1)/2.",
            _sensor(corner=True),
        ),
        Misconception(
            "half a pixel lost on the way to grid_sample",
            "With `align_corners=False` pixel j of n lies at (2 j + 1)/n - 1; the formula "
            "2 j/(n - 1) - 1 belongs to `align_corners=True`.",
            _half_pixel,
        ),
        Misconception(
            "a large window that moves the wrong way",
            "Where the window is larger than the image, (W - size)/2 is negative and turns the "
            "location round. Equation (1) has max(W - size, 0): such a window stays in the middle.",
            _sensor(middle=_unbounded),
        ),
        Misconception(
            "a repeated border",
            "Outside the image you read its border again. There (2) reads zeros: "
            "`padding_mode='zeros'`, and no clamped index.",
            _sensor(outside="border"),
        ),
        Misconception(
            "a clamped location",
            "You hold the location between -1 and 1. Equation (1) does not: beyond them the window "
            "leaves the image, and reads zeros there.",
            _sensor(clamped=True),
        ),
    ),
)

# 2. The estimate -------------------------------------------------------------------------


def _samples(b: int, std: float) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor | int | float]:
        mean = torch.randn(b, 2, generator=generator)
        sample = mean + std * torch.randn(b, 2, generator=generator)
        reward, guess = torch.randn(2, b, generator=generator)
        reward = alternating(reward.abs())
        return {"sample": sample, "mean": mean, "std": std, "reward": reward, "guess": guess}

    return draw


def _estimate(sample: Tensor, mean: Tensor, std: float, reward: Tensor, guess: Tensor) -> Tensor:
    """The formula of the chapter."""
    return ((reward - guess)[:, None] * (sample - mean) / std**2).mean(dim=0)


def _by_autograd(sample: Tensor, mean: Tensor, std: float, reward: Tensor, guess: Tensor) -> Tensor:
    """The gradient of a sum of log-densities that autograd finds: no derivation enters."""
    shift = torch.zeros(2, dtype=mean.dtype, requires_grad=True)
    density = torch.distributions.Normal(mean + shift, std).log_prob(sample).sum(dim=1)
    return torch.autograd.grad(((reward - guess) * density).mean(), shift)[0]


ESTIMATE = FunctionExercise(
    chapter=CHAPTER,
    name="estimate",
    title="Write REINFORCE for a Gaussian",
    level=2,
    task="Write `estimate(sample, mean, std, reward, guess)`: the average over the batch of the "
    "one-sample estimates of the gradient of the expected reward with respect to the mean, (2,).",
    hints=(
        "The estimate for one image is the advantage, reward minus guess, times the gradient of "
        "the log-density with respect to the mean, equation (11).",
        "`reward` and `guess` are (b,), `sample` and `mean` are (b, 2): give the advantage a "
        "second axis with `[:, None]` before you multiply.",
        "`((reward - guess)[:, None] * (sample - mean) / std**2).mean(dim=0)`.",
    ),
    explanation="A sample that did better than the guess pulls the mean towards itself, one that "
    "did worse pushes it away.",
    reference=_by_autograd,
    alternatives=(
        _estimate,
        lambda sample, mean, std, reward, guess: (
            torch.einsum("b,bx->x", reward - guess, (sample - mean) / (std * std)) / len(sample)
        ),
    ),
    cases=(
        Case("plain", _samples(6, 0.5)),
        Case("narrow", _samples(4, 0.2)),
        Case("wide", _samples(9, 1.5)),
        Case("one image", _samples(1, 0.7)),
    ),
    misconceptions=(
        Misconception(
            "a loss in place of a gain",
            "Your estimate points away from reward. It is the gradient of the *expected reward*; "
            "the minus sign comes later, in the loss.",
            lambda sample, mean, std, reward, guess: -_estimate(sample, mean, std, reward, guess),
        ),
        Misconception(
            "a division by the spread, not its square",
            "The log-density holds ‖l - μ‖²/(2τ²), so its gradient holds 1/τ².",
            lambda sample, mean, std, reward, guess: (
                std * _estimate(sample, mean, std, reward, guess)
            ),
        ),
        Misconception(
            "a forgotten baseline",
            "The mean over many batches would be the same, but the estimate varies more. Take "
            "`reward - guess`.",
            lambda sample, mean, std, reward, guess: _estimate(
                sample, mean, std, reward, 0 * guess
            ),
        ),
        Misconception(
            "a sum over the batch",
            "An average is asked for, so that the step does not grow with the batch.",
            lambda sample, mean, std, reward, guess: (
                len(sample) * _estimate(sample, mean, std, reward, guess)
            ),
        ),
        Misconception(
            "a noise that is not divided by the spread",
            "You multiply by l - μ. The gradient of the log-density also divides by τ².",
            lambda sample, mean, std, reward, guess: (
                std**2 * _estimate(sample, mean, std, reward, guess)
            ),
        ),
        Misconception(
            "an averaged advantage",
            "You average the advantage before you multiply. Each image's advantage belongs to its "
            "own sample.",
            lambda sample, mean, std, reward, guess: (
                (reward - guess).mean() * ((sample - mean) / std**2).mean(dim=0)
            ),
        ),
    ),
)
