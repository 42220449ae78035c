"""Exercises on the building blocks that ask for a function: std pooling and folding."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "foundations/building_blocks"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor | float]]
_MAP = (2, 3)

# 1. Std pooling --------------------------------------------------------------------------


def _maps(
    *shape: int,
    eps: float,
    flat: bool = False,
    level: float = 0.7,
    dtype: torch.dtype = torch.float32,
) -> Draw:
    """Draws maps around ``level``; with ``flat`` the first channel is constant."""

    def draw(generator: torch.Generator) -> dict[str, Tensor | float]:
        x = level + 1.5 * torch.randn(shape, generator=generator, dtype=dtype)
        if flat:
            x[:, 0] = 2.0
        return {"x": x, "eps": eps}

    return draw


def _variance(x: Tensor, dims: tuple[int, ...] = _MAP, correction: int = 0) -> Tensor:
    """Mean square around the mean; without torch's warning where nothing is left to divide by."""
    count = x[0, 0].numel() * (x.shape[0] if 0 in dims else 1)
    squares = (x - x.mean(dim=dims, keepdim=True)).square().sum(dim=dims)
    return squares / squares.new_tensor(count - correction)


STD_POOL = FunctionExercise(
    chapter=CHAPTER,
    name="std_pool",
    title="Pool the spread, safely",
    level=1,
    task="Write `std_pool(x, eps)`: from maps, (b, c, h, w), to √(var + eps) of each map, (b, c), "
    "with the biased variance.",
    hints=(
        "Which axes does a map of one channel and one image have? The result keeps the other two.",
        "`x.var(dim=(2, 3))` divides by HW - 1. Which argument makes it divide by HW?",
        "Add `eps` before you take the root: the root has no slope at zero, and a constant map has "
        "the variance zero.",
    ),
    explanation="The eps inside the root gives a constant map the gradient 0 and not NaN.",
    reference=lambda x, eps: (x.var(dim=_MAP, correction=0) + eps).sqrt(),
    alternatives=(
        lambda x, eps: (
            ((x.flatten(2) - x.flatten(2).mean(-1)[..., None]) ** 2).mean(-1).add(eps) ** 0.5
        ),
    ),
    cases=(
        Case("plain", _maps(2, 3, 4, 5, eps=0.05)),
        Case("one image", _maps(1, 4, 3, 6, eps=0.01)),
        Case("a constant map among others", _maps(2, 3, 4, 4, eps=0.01, flat=True)),
        Case("one position", _maps(3, 4, 1, 1, eps=0.04)),
        Case("bright maps of little contrast", _maps(2, 3, 4, 5, eps=0.05, level=2000.0)),
        Case("double precision", _maps(3, 2, 5, 4, eps=0.02, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "no spread is smaller than √eps",
            lambda inputs, got: bool((got >= inputs["eps"] ** 0.5 - 1e-4).all()),
        ),
    ),
    misconceptions=(
        Misconception(
            "an unbiased variance",
            "You divide by HW - 1, which is torch's default. The biased one has `correction=0`; it "
            "is a number for a map of one position too.",
            lambda x, eps: (_variance(x, correction=1) + eps).sqrt(),
        ),
        Misconception(
            "an eps outside the root",
            "√var + eps still has an infinite slope at a constant map. Put eps under the root.",
            lambda x, eps: _variance(x).sqrt() + eps,
        ),
        Misconception(
            "a missing eps",
            "The root has no slope at zero: a constant map would make the whole gradient NaN.",
            lambda x, eps: _variance(x).sqrt(),
        ),
        Misconception(
            "torch's own std",
            "`x.std` divides by HW - 1 and has no eps: NaN for one position, and a gradient of NaN "
            "for a constant map. Take the biased variance, add eps, take the root.",
            lambda x, eps: _variance(x, correction=1).sqrt(),
        ),
        Misconception(
            "torch's own std plus eps",
            "`x.std` divides by HW - 1, and an eps outside the root leaves it without a slope at a "
            "constant map. Take the biased variance, add eps, take the root.",
            lambda x, eps: _variance(x, correction=1).sqrt() + eps,
        ),
        Misconception(
            "a clamp in place of the sum",
            "`clamp(min=eps)` is safe, and gives another number: asked is √(var + eps), which is "
            "smooth everywhere.",
            lambda x, eps: _variance(x).clamp(min=eps).sqrt(),
        ),
        Misconception(
            "a variance without its root",
            "A spread has the unit of x, a variance that of x². Take the root.",
            lambda x, eps: _variance(x) + eps,
        ),
        Misconception(
            "a root mean square",
            "You did not subtract the mean. A constant map has the spread 0, whatever its value.",
            lambda x, eps: (x.square().mean(dim=_MAP) + eps).sqrt(),
        ),
        Misconception(
            "a spread over the whole batch",
            "That is BatchNorm's statistic, one number for each channel. A squeeze keeps the "
            "images apart: average over `dim=(2, 3)` alone.",
            lambda x, eps: (_variance(x, dims=(0, 2, 3)) + eps).sqrt(),
        ),
    ),
)

# 2. Folding ------------------------------------------------------------------------------


def _layers(out: int, channels: int, side: int, eps: float) -> Draw:
    """Draws a convolution and the batch norm behind it."""

    def draw(generator: torch.Generator) -> dict[str, Tensor | float]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        return {
            "weight": randn(out, channels, side, side),
            "bias": randn(out),
            "gamma": alternating(randn(out) + 2),
            "beta": randn(out),
            "mean": randn(out),
            "var": torch.rand(out, generator=generator) + 0.5,
            "eps": eps,
        }

    return draw


def _rows(weight: Tensor, bias: Tensor) -> Tensor:
    """One row for each output channel: its weights, then its bias."""
    return torch.cat([weight.flatten(1), bias[:, None]], dim=1)


@recipe
def _fold(
    scale: Callable[..., Tensor] = lambda gamma, var, eps: gamma / (var + eps).sqrt(),
    bias: Callable[..., Tensor] = lambda a, b, beta, mean: beta + a * (b - mean),
    weight: bool = True,
) -> Function:
    """Folding, with one part changed by each argument."""

    def fold(
        w: Tensor, b: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float
    ) -> Tensor:
        a = scale(gamma, var, eps)
        return _rows(a[:, None, None, None] * w if weight else w, bias(a, b, beta, mean))

    return fold


def _by_running(
    w: Tensor, b: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float
) -> Tensor:
    """The folded layer read off its answers: at zero it says its bias, at a unit input a weight."""
    channels, side = w.shape[1:3]
    count = channels * side * side
    probes = torch.cat([torch.eye(count, dtype=w.dtype), torch.zeros(1, count, dtype=w.dtype)])
    seen = F.conv2d(probes.view(-1, channels, side, side), w, b)
    answers = F.batch_norm(seen, mean, var, gamma, beta, False, eps=eps)[:, :, 0, 0].T
    return torch.cat([answers[:, :-1] - answers[:, -1:], answers[:, -1:]], dim=1)


FOLD = FunctionExercise(
    chapter=CHAPTER,
    name="fold",
    title="Fold BatchNorm into the convolution",
    level=2,
    task="Write `fold(weight, bias, gamma, beta, mean, var, eps)`: one convolution that does what "
    "the convolution and the batch norm behind it do in testing, as `as_rows(new_weight, "
    "new_bias)`.",
    hints=(
        "In testing, batch norm multiplies channel o by a number and adds another. Call the first "
        "one `a`: what is it, from gamma, var and eps?",
        "a = gamma / √(var + eps). It multiplies all that the convolution gives: weights and bias.",
        "`a[:, None, None, None] * weight`, and `beta + a * (bias - mean)`.",
    ),
    explanation="A network in testing can lose all of its batch norms, and no output changes.",
    reference=_by_running,
    alternatives=(
        _fold(),
        lambda w, b, gamma, beta, mean, var, eps: _rows(
            torch.einsum("ocij,o->ocij", w, gamma * torch.rsqrt(var + eps)),
            (b - mean) / (var + eps).sqrt() * gamma + beta,
        ),
    ),
    cases=(
        Case("plain", _layers(4, 3, 3, eps=0.1)),
        Case("1x1 convolution", _layers(5, 2, 1, eps=0.05)),
        Case("one output channel", _layers(1, 3, 3, eps=0.2)),
    ),
    gradients=(),  # Folding is done once, after training.
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "an old bias that is not scaled",
            "The batch norm acts on everything that the convolution gives, its bias too.",
            _fold(bias=lambda a, b, beta, mean: beta + b - a * mean),
        ),
        Misconception(
            "a forgotten old bias",
            "The convolution's own bias arrives at the batch norm as well: (b - mean).",
            _fold(bias=lambda a, b, beta, mean: beta - a * mean),
        ),
        Misconception(
            "a mean that is not scaled",
            "The mean is subtracted before the scale acts: a · (b - mean).",
            _fold(bias=lambda a, b, beta, mean: beta + a * b - mean),
        ),
        Misconception(
            "a forgotten mean",
            "The weights are right. Batch norm also subtracts the running mean.",
            _fold(bias=lambda a, b, beta, mean: beta + a * b),
        ),
        Misconception(
            "an added mean",
            "Batch norm subtracts the running mean: look at the sign.",
            _fold(bias=lambda a, b, beta, mean: beta + a * (b + mean)),
        ),
        Misconception(
            "a forgotten beta",
            "The last thing that batch norm does is to add beta.",
            _fold(bias=lambda a, b, beta, mean: a * (b - mean)),
        ),
        Misconception(
            "a scaled beta",
            "Beta comes after the scale: beta + a · (b - mean).",
            _fold(bias=lambda a, b, beta, mean: a * (b - mean + beta)),
        ),
        Misconception(
            "a forgotten gamma",
            "The scale is gamma / √(var + eps); you have 1 / √(var + eps).",
            _fold(scale=lambda gamma, var, eps: 1 / (var + eps).sqrt()),
        ),
        Misconception(
            "a variance without its root",
            "Batch norm divides by √(var + eps).",
            _fold(scale=lambda gamma, var, eps: gamma / (var + eps)),
        ),
        Misconception(
            "an eps outside the root",
            "Batch norm divides by √(var + eps), not by √var + eps.",
            _fold(scale=lambda gamma, var, eps: gamma / (var.sqrt() + eps)),
        ),
        Misconception(
            "a missing eps",
            "The eps of training is there in testing too: √(var + eps).",
            _fold(scale=lambda gamma, var, eps: gamma / var.sqrt()),
        ),
        Misconception(
            "weights that are not scaled",
            "The bias is right. The scale acts on the weights of each output channel as well.",
            _fold(weight=False),
        ),
    ),
)
