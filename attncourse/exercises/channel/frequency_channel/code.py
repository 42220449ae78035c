"""Exercises on FcaNet that ask for a function: a coefficient, and what fixed filters see."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.channel.frequency_channel import waves
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/frequency_channel"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. One coefficient ----------------------------------------------------------------------


def _maps(b: int, h: int, w: int, u: int, v: int, dtype: torch.dtype = torch.float32) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {"x": torch.randn(b, h, w, generator=generator, dtype=dtype), "u": u, "v": v}

    return draw


def _kappa(u: int, v: int) -> float:
    return math.sqrt(2.0) ** ((u > 0) + (v > 0))


def _mean(products: Tensor) -> Tensor:
    return products.mean(dim=(-2, -1))


def _orthonormal(products: Tensor) -> Tensor:
    return products.sum(dim=(-2, -1)) / math.sqrt(products[0].numel())


@recipe
def _coefficient(
    *,
    half: float = 0.5,
    constant: Callable[[int, int], float] = _kappa,
    turned: bool = False,
    sizes: Callable[[int, int], tuple[int, int]] = lambda h, w: (h, w),
    periods: float = 1.0,
    function: Callable[[Tensor], Tensor] = torch.cos,
    over: Callable[[Tensor], Tensor] = _mean,
) -> Function:
    """The coefficient, with one step changed by each argument."""

    def coefficient(x: Tensor, u: int, v: int) -> Tensor:
        down, across = (v, u) if turned else (u, v)
        h, w = x.shape[-2:]
        rows, columns = (
            function(
                periods * math.pi * n * (torch.arange(places, dtype=x.dtype) + half) / max(size, 1)
            )
            for n, places, size in zip((down, across), (h, w), sizes(h, w), strict=True)
        )
        return over(constant(u, v) * x * rows[:, None] * columns)

    return coefficient


COEFFICIENT = FunctionExercise(
    chapter=CHAPTER,
    name="coefficient",
    title="Write one coefficient",
    level=1,
    task="Write `coefficient(x, u, v)`: from maps, (b, h, w), and two whole numbers to the "
    "coefficient of equation (3) for each map, (b,).",
    hints=(
        "Two waves, one down and one across. Which of the two numbers goes with the rows?",
        "`torch.arange(h) + 0.5` are the places of the rows. Their wave is the cosine of π u times "
        "the places over h, and √2 belongs to it if u is above 0; columns in the same way.",
        "`wave_down[:, None] * wave_across` is the filter, (h, w). Multiply x by it and take the "
        "mean over both axes.",
    ),
    explanation="With u = v = 0 this is global average pooling.",
    reference=_coefficient(),
    alternatives=(
        lambda x, u, v: torch.einsum(
            "bij,i,j->b",
            x,
            waves(torch.tensor([u]), x.shape[1], x)[0] / x.shape[1],
            waves(torch.tensor([v]), x.shape[2], x)[0] / x.shape[2],
        ),
    ),
    cases=(
        Case("the mean", _maps(3, 4, 6, 0, 0)),
        Case("a wave across", _maps(2, 5, 7, 0, 1)),
        Case("a wave down", _maps(2, 7, 4, 2, 0)),
        Case("both, one image", _maps(1, 6, 8, 1, 3)),
        Case("double precision", _maps(4, 8, 5, 3, 2, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "with u = v = 0 the coefficient is the mean",
            lambda i, z: (
                bool(i["u"] or i["v"]) or bool((z - i["x"].mean(dim=(1, 2))).abs().max() < 1e-3)
            ),
        ),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-5),
    misconceptions=(
        Misconception(
            "a missing half",
            "From zero on the places are i + 1/2, the middles of the pixels. At i alone waves are "
            "not orthogonal, and a constant map shows in all of them.",
            _coefficient(half=0.0),
        ),
        Misconception(
            "places counted from one as if from zero",
            "Counted from one the middles are i - 1/2, and `arange` counts from zero: i + 1/2.",
            _coefficient(half=-0.5),
        ),
        Misconception(
            "the pixels' far edges",
            "The places are the middles of the pixels, i + 1/2 from zero on.",
            _coefficient(half=1.0),
        ),
        Misconception(
            "a missing root of two",
            "The square of a cosine is 1/2 on average. The factor √2, for each number above 0, "
            "gives every wave the mean square 1.",
            _coefficient(constant=lambda u, v: 1.0),
        ),
        Misconception(
            "a root of two too many",
            "The wave of number 0 is a constant of 1: it gets no factor.",
            _coefficient(constant=lambda u, v: 2.0),
        ),
        Misconception(
            "rows and columns changed places",
            "u counts half waves down the rows, v across the columns.",
            _coefficient(turned=True),
        ),
        Misconception(
            "height and width changed places",
            "The wave down has h places and is divided by h, the wave across by w.",
            _coefficient(sizes=lambda h, w: (w, h)),
        ),
        Misconception(
            "places divided by the size less one",
            "From edge to edge there are h pixels: divide the places by h.",
            _coefficient(sizes=lambda h, w: (h - 1, w - 1)),
        ),
        Misconception(
            "whole waves in place of half waves",
            "Your waves go round twice as often: the angle is π u times the place over h.",
            _coefficient(periods=2.0),
        ),
        Misconception(
            "a sine",
            "A sine begins at zero, and that of number 0 is zero everywhere. Take the cosine.",
            _coefficient(function=torch.sin),
        ),
        Misconception(
            "a sum in place of the mean",
            "Summed, the number grows with the map. Divide by h w.",
            _coefficient(over=lambda p: p.sum(dim=(-2, -1))),
        ),
        Misconception(
            "orthonormal waves",
            "This is the released code's scale, √(h w) times ours. Divide by h w, so that the "
            "lowest coefficient is the mean.",
            _coefficient(over=_orthonormal),
        ),
    ),
)

# 2. What fixed filters see ---------------------------------------------------------------


def _filters(k: int, n: int, dtype: torch.dtype = torch.float32, alike: float = 0.0) -> Draw:
    """Draws filters, all with ``alike`` parts of the same direction, and a pattern."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        return {"filters": randn(k, n) + alike * randn(n), "pattern": 3 * randn(n)}

    return draw


def _share(filters: Tensor, pattern: Tensor) -> Tensor:
    """What a least-squares fit explains."""
    columns = filters.T.double()
    best = torch.linalg.lstsq(columns, pattern.double()[:, None]).solution
    part = (columns @ best).square().sum() / pattern.double().square().sum()
    return part.to(pattern.dtype)


def _basis(filters: Tensor) -> Tensor:
    return torch.linalg.qr(filters.T.double()).Q


def _by_qr(
    finish: Callable[[Tensor, Tensor, int], Tensor],
) -> Function:
    """The projection on an orthonormal basis, finished as ``finish`` says."""

    def seen(filters: Tensor, pattern: Tensor) -> Tensor:
        inside = _basis(filters).T @ pattern.double()
        return finish(inside, pattern.double(), len(filters)).to(pattern.dtype)

    return seen


def _cosines(filters: Tensor, pattern: Tensor) -> Tensor:
    """The cosine of the angle between each filter and the pattern."""
    return (filters @ pattern) / (filters.norm(dim=1) * pattern.norm())


SEEN = FunctionExercise(
    chapter=CHAPTER,
    name="seen",
    title="Predict what fixed filters see",
    level=3,
    task="Write `seen(filters, pattern)`: from filters, (k, n), and a pattern, (n,), to the share "
    "of the pattern's energy that lies in the span of the filters: a tensor of one number, "
    "0 to 1, of the type of the pattern.",
    hints=(
        "For one filter it is the squared cosine of the angle between filter and pattern. Why may "
        "several of them not be added, unless the filters are orthogonal?",
        "Find an orthonormal basis of the span first: `torch.linalg.qr(filters.T).Q` has its "
        "vectors as columns.",
        "The pattern's coordinates in that basis are `Q.T @ pattern`. Square and add them, and "
        "divide by the energy of the pattern.",
    ),
    explanation="Four random filters on 64 pixels see 4/64 of a pattern on average; one cosine "
    "sees all of its own wave.",
    reference=_share,
    alternatives=(
        _by_qr(lambda inside, p, k: inside.square().sum() / p.square().sum()),
        lambda filters, pattern: (
            (f := filters.double())
            @ (p := pattern.double())
            @ torch.linalg.solve(f @ f.T, f @ p)
            / p.square().sum()
        ).to(pattern.dtype),
    ),
    cases=(
        Case("one filter", _filters(1, 9)),
        Case("four filters", _filters(4, 16)),
        Case("filters that are much alike", _filters(3, 12, alike=2.0)),
        Case("double precision", _filters(5, 20, dtype=torch.float64, alike=1.0)),
        Case("as many filters as pixels", _filters(4, 4, dtype=torch.float64)),
    ),
    properties=(Property("the share lies from 0 to 1", lambda _, s: bool(-1e-4 < s < 1 + 1e-4)),),
    gradients=(),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "squared cosines added up",
            "Filters that are alike see the same part, and you count it once for each. Make them "
            "orthogonal first.",
            lambda filters, pattern: _cosines(filters, pattern).square().sum(),
        ),
        Misconception(
            "the best filter alone",
            "Together the filters see at least as much as the best of them: project on their span.",
            lambda filters, pattern: _cosines(filters, pattern).square().max(),
        ),
        Misconception(
            "a length in place of an energy",
            "This is the square root of the share: square it.",
            _by_qr(lambda inside, p, k: inside.norm() / p.norm()),
        ),
        Misconception(
            "an energy that is no share",
            "Divide by the energy of the pattern itself.",
            _by_qr(lambda inside, p, k: inside.square().sum()),
        ),
        Misconception(
            "what the filters miss",
            "This is 1 less the share that they see.",
            _by_qr(lambda inside, p, k: 1 - inside.square().sum() / p.square().sum()),
        ),
        Misconception(
            "the average for random filters",
            "k/n is what random filters see on average. Project this pattern on these filters.",
            lambda filters, pattern: pattern.new_tensor(len(filters) / len(pattern)),
        ),
        Misconception(
            "filters that were not made orthogonal",
            "`filters @ pattern` are coordinates in a basis that is neither orthogonal nor of "
            "length 1.",
            lambda filters, pattern: (filters @ pattern).square().sum() / pattern.square().sum(),
        ),
    ),
)
