"""An exercise on the building blocks that asks for a function: the backward pass of batch norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.foundations.building_blocks.fold import CHAPTER, Draw, Function
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe


def _batch(
    b: int,
    c: int,
    h: int,
    w: int,
    eps: float,
    level: float = 1.0,
    kind: torch.dtype = torch.float64,
) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor | float]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=kind)

        # Gradients that go with x, so that no projection is near zero.
        x = randn(b, c, h, w)
        dy = 0.8 + x + randn(b, c, h, w)
        return {"x": level + 2 * x, "gamma": alternating(2 + 0.5 * randn(c)), "dy": dy, "eps": eps}

    return draw


def _by_autograd(x: Tensor, gamma: Tensor, dy: Tensor, eps: float) -> Tensor:
    """The gradient of torch's own batch norm: no derivation enters."""
    x = x.clone().requires_grad_()
    y = F.batch_norm(x, None, None, gamma, None, training=True, eps=eps)
    return torch.autograd.grad(y, x, dy)[0]


@recipe
def _backward(
    *,
    dims: tuple[int, ...] = (0, 2, 3),
    correction: int = 0,
    mean: float = 1,
    slope: float = 1,
    gamma_power: int = 1,
    rho_power: int = 1,
    sums: bool = False,
    with_x_hat: bool = True,
    with_eps: bool = True,
) -> Function:
    """The derived formula, with one step changed or left out by each argument."""

    def backward(x: Tensor, gamma: Tensor, dy: Tensor, eps: float) -> Tensor:
        count = x.numel() // x.mean(dim=dims).numel()
        centred = x - x.mean(dim=dims, keepdim=True)
        squares = centred.square().sum(dim=dims, keepdim=True)
        var = squares / squares.new_tensor(count - correction)
        rho = (var + (eps if with_eps else 0)).sqrt()
        x_hat = centred / rho
        collect = count if sums else 1
        level = collect * dy.mean(dim=dims, keepdim=True)
        along = collect * (dy * x_hat).mean(dim=dims, keepdim=True)
        rest = dy - mean * level - slope * along * (x_hat if with_x_hat else 1)
        return gamma[:, None, None] ** gamma_power / rho**rho_power * rest

    return backward


BN_BACKWARD = FunctionExercise(
    chapter=CHAPTER,
    name="bn_backward",
    title="The backward pass of BatchNorm",
    level=3,
    task="Write `bn_backward(x, gamma, dy, eps)`: from dy = ∂L/∂y to ∂L/∂x, both (b, c, h, w), in "
    "training mode.",
    hints=(
        "x acts on y in three ways: directly, through the mean and through the variance. Write the "
        "slope of each, and add them up.",
        "One channel shares its mean over `dim=(0, 2, 3)`; `keepdim=True` keeps the shapes ready.",
        "Fit a line to dy over x-hat: intercept `dy.mean(...)`, slope `(dy * x_hat).mean(...)`. "
        "What the line does not explain is left.",
        "`rho = (x.var(dim, correction=0, keepdim=True) + eps).sqrt()`, then "
        "`gamma[:, None, None] / rho * (dy - mean - x_hat * slope)`.",
    ),
    explanation="What a shift or a stretch of the channel could have changed never arrives: the "
    "forward pass has undone it.",
    reference=_by_autograd,
    alternatives=(_backward(),),
    cases=(
        Case("plain", _batch(3, 4, 5, 2, eps=0.3)),
        Case("one image", _batch(1, 3, 4, 5, eps=0.1)),
        Case("one position", _batch(6, 4, 1, 1, eps=0.2)),
        Case("as many images as channels", _batch(4, 4, 2, 3, eps=1e-5)),
        Case("a large mean", _batch(3, 2, 3, 4, eps=0.1, level=1000.0, kind=torch.float32)),
    ),
    properties=(
        Property(
            "the gradients of a channel sum to zero",
            lambda inputs, got: bool((got.sum(dim=(0, 2, 3)).abs() < 1e-3).all()),
        ),
    ),
    # Around 1,000 a number in single precision is known to 6e-5 alone.
    tolerance=Tolerance(relative=1e-4, absolute=5e-4),
    misconceptions=(
        Misconception(
            "statistics treated as constants",
            "Mean and variance are made of x as well. Two terms are missing: one for each of them.",
            _backward(mean=0, slope=0),
        ),
        Misconception(
            "a missing projection on the mean",
            "The term through the variance is there. The mean moves with every x too: subtract the "
            "mean of dy.",
            _backward(mean=0),
        ),
        Misconception(
            "a missing projection on x-hat",
            "The term through the mean is there. The variance moves with x too: subtract x-hat "
            "times the mean of dy · x-hat.",
            _backward(slope=0),
        ),
        Misconception(
            "projections with the wrong sign",
            "What goes through mean and variance works against the direct term: both are "
            "subtracted.",
            _backward(mean=-1, slope=-1),
        ),
        Misconception(
            "a slope that is added",
            "The mean of dy is subtracted, and so is x-hat times the slope.",
            _backward(slope=-1),
        ),
        Misconception(
            "sums in place of means",
            "Mean and variance have a 1/m in them: both projections are means over the m values.",
            _backward(sums=True),
        ),
        Misconception(
            "a slope without its x-hat",
            "The slope is one number a channel. It takes x-hat from each value that it is "
            "subtracted from.",
            _backward(with_x_hat=False),
        ),
        Misconception(
            "a forgotten gamma",
            "y = gamma · x-hat + beta: gamma multiplies every gradient on its way back.",
            _backward(gamma_power=0),
        ),
        Misconception(
            "a forgotten 1/rho",
            "The directions are right. The forward pass divides by √(var + eps), and so does the "
            "backward pass.",
            _backward(rho_power=0),
        ),
        Misconception(
            "a missing eps",
            "What divides is √(var + eps), backwards as forwards.",
            _backward(with_eps=False),
        ),
        Misconception(
            "an unbiased variance",
            "What normalises is the biased variance: `correction=0`.",
            _backward(correction=1),
        ),
        Misconception(
            "statistics of each image",
            "That is InstanceNorm. BatchNorm's channel shares its mean over all images: "
            "`dim=(0, 2, 3)`.",
            _backward(dims=(2, 3)),
        ),
        Misconception(
            "statistics over the batch axis alone",
            "A channel's mean is taken over all positions as well: `dim=(0, 2, 3)`.",
            _backward(dims=(0,)),
        ),
        Misconception(
            "statistics over the channels",
            "That is LayerNorm. BatchNorm's mean belongs to one channel: `dim=(0, 2, 3)`.",
            _backward(dims=(1, 2, 3)),
        ),
    ),
)
