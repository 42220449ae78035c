"""Exercises on GSoP that ask for a function: the covariance and the way back through it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.channel.global_second_order_pooling import (
    centring,
    covariance,
    covariance_gradient,
)
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/global_second_order_pooling"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Step = Callable[[Tensor], Tensor]

# 1. The covariance -----------------------------------------------------------------------


def _features(b: int, d: int, m: int, dtype: torch.dtype = torch.float32) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        return {"z": randn(b, d, m) * (0.5 + randn(b, d, 1).abs()) + randn(b, d, 1)}

    return draw


def _centred(z: Tensor) -> Tensor:
    return z - z.mean(dim=2, keepdim=True)


def _pairs(z: Tensor) -> Tensor:
    return z @ z.mT


@recipe
def _covariance(
    *,
    centre: Step = _centred,
    product: Step = _pairs,
    count: Callable[[Tensor], float] = lambda z: z.shape[2],
    finish: Step = lambda sigma: sigma,
) -> Function:
    """Equation (2), with one step changed by each argument."""

    def pooled(z: Tensor) -> Tensor:
        return finish(product(centre(z)) / count(z))

    return pooled


def _correlation(sigma: Tensor) -> Tensor:
    spread = sigma.diagonal(dim1=1, dim2=2).sqrt()
    return sigma / (spread[:, :, None] * spread[:, None])


COVARIANCE = FunctionExercise(
    chapter=CHAPTER,
    name="covariance",
    title="Pool to a covariance",
    level=1,
    task="Write `pooled(z)`: from reduced features z, (b, d, m), to their covariances by equation "
    "(2), (b, d, d), without a loop.",
    hints=(
        "Which number has to be taken away from each row of each image, and which axis does the "
        "product add up?",
        "`z - z.mean(dim=2, keepdim=True)` is what is left of each row.",
        "`away @ away.mT / z.shape[2]` is (b, d, d).",
    ),
    explanation="The centring matrix of m x m numbers is never built.",
    reference=covariance,
    alternatives=(
        _covariance(),
        lambda z: z @ centring(z.shape[2], dtype=z.dtype) @ z.mT,
    ),
    cases=(
        Case("plain", _features(3, 4, 6)),
        Case("one image", _features(1, 3, 7)),
        Case("fewer positions than channels", _features(2, 5, 3)),
        Case("double precision", _features(2, 4, 9, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "a covariance equals its transpose",
            lambda _, s: bool((s - s.mT).abs().max() < 1e-3),
        ),
    ),
    no_loop=(0, 1, 2),
    tolerance=Tolerance(relative=1e-4, absolute=1e-5),
    misconceptions=(
        Misconception(
            "a mean that is not taken away",
            "This is the second moment. Take the mean of each row away first, or constants count.",
            _covariance(centre=lambda z: z),
        ),
        Misconception(
            "a mean over channels",
            "You take away what the channels of a position have in common. It is the mean of each "
            "channel over its positions, axis 2.",
            _covariance(centre=lambda z: z - z.mean(dim=1, keepdim=True)),
        ),
        Misconception(
            "a mean over images",
            "Each image has a covariance of its own: nothing is averaged over axis 0.",
            _covariance(centre=lambda z: z - z.mean(dim=(0, 2), keepdim=True)),
        ),
        Misconception(
            "a division by one less than the positions",
            "Equation (2) divides by M; `torch.cov` divides by M - 1 unless it is told not to.",
            _covariance(count=lambda z: z.shape[2] - 1),
        ),
        Misconception(
            "a forgotten division",
            "Without it the numbers grow with the map. Divide by M.",
            _covariance(count=lambda z: 1),
        ),
        Misconception(
            "a division by the channels",
            "The sum runs over M positions: divide by M, not by d.",
            _covariance(count=lambda z: z.shape[1]),
        ),
        Misconception(
            "a correlation",
            "You divide by the spreads as well. How strongly a channel varies is then lost.",
            _covariance(finish=_correlation),
        ),
        Misconception(
            "the variances alone",
            "Entries off the diagonal are zero in your result: those are the pairs.",
            _covariance(product=lambda z: torch.diag_embed(z.square().sum(dim=2))),
        ),
        Misconception(
            "a covariance of the positions",
            "Your matrix pairs positions, as the spatial branch does. Here rows are paired: "
            "`away @ away.mT`.",
            _covariance(product=lambda z: z.mT @ z),
        ),
    ),
)

# 2. The way back -------------------------------------------------------------------------


def _slopes(b: int, d: int, m: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"z": randn(b, d, m) + randn(b, d, 1), "g": randn(b, d, d)}

    return draw


@recipe
def _back(
    *,
    sides: Step = lambda g: g + g.mT,
    centre: Step = _centred,
    count: Callable[[Tensor], float] = lambda z: z.shape[2],
) -> Function:
    """Equation (5), with one step changed by each argument."""

    def way_back(z: Tensor, g: Tensor) -> Tensor:
        return centre(sides(g) @ z) / count(z)

    return way_back


WAY_BACK = FunctionExercise(
    chapter=CHAPTER,
    name="way_back",
    title="Derive the way back",
    level=2,
    task="Write `way_back(z, g)`: from z, (b, d, m), and g = ∂L/∂Σ, (b, d, d), to ∂L/∂z, without "
    "autograd. g need not be symmetric.",
    hints=(
        "z stands twice in Σ = Z Ī Zᵀ. Write dΣ as two terms, one for each place.",
        "dL = ⟨G, dZ Ī Zᵀ⟩ + ⟨G, Z Ī dZᵀ⟩. The first gives G Z Ī. What does the second give, once "
        "it is transposed?",
        "`(g + g.mT) @ z`, less its mean over positions, over M.",
    ),
    explanation="The gradient of each channel adds up to zero: no constant is ever learned through "
    "a covariance.",
    reference=covariance_gradient,
    alternatives=(
        _back(),
        lambda z, g: (g + g.mT) @ z @ centring(z.shape[2], dtype=z.dtype),
    ),
    cases=(
        Case("plain", _slopes(3, 4, 6)),
        Case("one image", _slopes(1, 3, 5)),
        Case("fewer positions than channels", _slopes(2, 5, 3)),
    ),
    properties=(
        Property(
            "the gradient of every channel adds up to zero",
            lambda _, out: bool((out.sum(dim=2).abs() < 1e-6).all()),
        ),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "one place of two",
            "z stands twice in Σ, and each place gives a term: G and its transpose.",
            _back(sides=lambda g: g),
            (_back(sides=lambda g: g.mT),),
        ),
        Misconception(
            "a gradient taken for symmetric",
            "2 G is right only where G equals its transpose. In general the two places give "
            "G + Gᵀ.",
            _back(sides=lambda g: 2 * g),
            (_back(sides=lambda g: 2 * g.mT),),
        ),
        Misconception(
            "half the sum",
            "The two terms add up; there is no 1/2 in front of them.",
            _back(sides=lambda g: (g + g.mT) / 2),
        ),
        Misconception(
            "a difference of the two terms",
            "Both terms have the same sign: G + Gᵀ.",
            _back(sides=lambda g: g - g.mT),
            (_back(sides=lambda g: g.mT - g),),
        ),
        Misconception(
            "a centring that is left out",
            "Ī stands on the way back as well: take the mean over positions away.",
            _back(centre=lambda p: p),
        ),
        Misconception(
            "a mean over channels",
            "Ī acts on positions: the mean over axis 2 is taken away.",
            _back(centre=lambda p: p - p.mean(dim=1, keepdim=True)),
        ),
        Misconception(
            "a forgotten division",
            "Ī holds a factor 1/M.",
            _back(count=lambda z: 1),
        ),
    ),
)
