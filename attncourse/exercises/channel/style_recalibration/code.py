"""Exercises on SRM that ask for a function: the gates in training, and the way back of a spread."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.style_recalibration import EPSILON, integrate, style
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/style_recalibration"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor]]

# 1. The gates ----------------------------------------------------------------------------


def _images(
    b: int,
    c: int,
    h: int,
    w: int,
    *,
    dead: bool = False,
    shift: float = 0,
    kind: torch.dtype = torch.float64,
) -> Draw:
    """Draws x and the parameters; ``dead`` makes one channel of one image constant."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=kind)

        spread = 0.5 + torch.rand(b, c, 1, 1, generator=generator, dtype=kind)
        x = spread * randn(b, c, h, w) + randn(b, c, 1, 1) + shift
        if dead:
            x[0, 0] = 0.0
        weights = randn(c, 2)
        # A spread that hardly counts would hide mistakes that are made in it.
        weights[:, 1] += 0.5 * weights[:, 1].sign()
        if shift:
            weights[:, 0] *= 0.1  # so that z keeps its digits
        return {"x": x, "w": weights, "gamma": alternating(1 + randn(c).abs()), "beta": randn(c)}

    return draw


def _biased(x: Tensor) -> Tensor:
    return x.var(dim=(2, 3), correction=0)


def _over_the_batch(z: Tensor) -> Tensor:
    return F.batch_norm(z, None, None, training=True, eps=EPSILON)


@recipe
def _gates(
    *,
    mean: Callable[[Tensor], Tensor] = lambda x: x.mean(dim=(2, 3)),
    variance: Callable[[Tensor], Tensor] = _biased,
    root: Callable[[Tensor], Tensor] = lambda v: (v + EPSILON).sqrt(),
    columns: tuple[int, int] = (0, 1),
    normal: Callable[[Tensor], Tensor] = _over_the_batch,
    squash: Callable[[Tensor], Tensor] = torch.sigmoid,
) -> Function:
    """Equations (1) to (3), with one step changed by each argument."""

    def gates(x: Tensor, w: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        z = w[:, columns[0]] * mean(x) + w[:, columns[1]] * root(variance(x))
        return squash(gamma * normal(z) + beta)

    return gates


def _reference(x: Tensor, w: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    z = integrate(*style(x), w)
    return torch.sigmoid(
        F.batch_norm(z, None, None, weight=gamma, bias=beta, training=True, eps=EPSILON)
    )


GATES = FunctionExercise(
    chapter=CHAPTER,
    name="gates",
    title="Write the gates of a training batch",
    level=1,
    task="Write `gates(x, w, gamma, beta)`: from x, (b, c, h, w), and the weights w, (c, 2), to "
    "the gates of equation (3) in training, (b, c). Variances divide by the number of values, and "
    "1e-5 stands under both roots.",
    hints=(
        "Three steps: two numbers a channel, one weighted sum of them, and a normalisation of "
        "that sum over the images of the batch.",
        "`mean = x.mean(dim=(2, 3))` and `x.var(dim=(2, 3), correction=0)`; then add 1e-5 and take "
        "the root. `w[:, 0] * mean + w[:, 1] * std` is (b, c).",
        "The batch is axis 0: `(z - z.mean(dim=0)) / (z.var(dim=0, correction=0) + 1e-5).sqrt()`, "
        "then times gamma plus beta, then the sigmoid.",
    ),
    explanation="The batch normalisation sees b numbers for each channel, one an image, and not "
    "b h w of them.",
    reference=_reference,
    alternatives=(
        _gates(),
        lambda x, w, gamma, beta: torch.sigmoid(
            F.batch_norm(
                (torch.stack(style(x), dim=2) * w).sum(dim=2)[..., None, None],
                None, None, weight=gamma, bias=beta, training=True,
            )[..., 0, 0]
        ),
    ),
    cases=(
        Case("plain", _images(6, 3, 3, 4)),
        Case("two images", _images(2, 4, 3, 3)),
        Case("a constant channel", _images(5, 3, 3, 3, dead=True)),
        Case("a large mean", _images(6, 2, 4, 4, shift=300.0, kind=torch.float32)),
    ),
    properties=(
        Property(
            "every gate lies from 0 to 1", lambda _, s: bool(((s >= 0) & (s <= 1)).all())
        ),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=3e-5),
    misconceptions=(
        Misconception(
            "an unbiased spread",
            "`x.std` and `x.var` of PyTorch divide by one less than the number of positions. The "
            "authors' code does the same; here (1) divides by HW: `correction=0`.",
            _gates(variance=lambda x: x.var(dim=(2, 3))),
        ),
        Misconception(
            "no eps under the root of the spread",
            "A constant channel then has a root of zero, whose slope is infinite. Put 1e-5 under "
            "the root.",
            _gates(root=torch.sqrt),
        ),
        Misconception(
            "a variance in place of the standard deviation",
            "The second number of (1) is the root of the variance.",
            _gates(root=lambda v: v + EPSILON),
        ),
        Misconception(
            "a root of the mean square",
            "You square x without subtracting its mean, so that the second number holds the mean "
            "as well.",
            _gates(variance=lambda x: x.square().mean(dim=(2, 3))),
        ),
        Misconception(
            "the two columns exchanged",
            "The first column of w belongs to the mean, the second to the spread.",
            _gates(columns=(1, 0)),
        ),
        Misconception(
            "the mean twice",
            "Both columns multiply the same number: the second belongs to the spread.",
            lambda x, w, gamma, beta: torch.sigmoid(
                gamma * _over_the_batch(w.sum(dim=1) * x.mean(dim=(2, 3))) + beta
            ),
        ),
        Misconception(
            "a normalisation over channels",
            "Your z of an image is normalised over its channels. Batch normalisation takes one "
            "channel and all images: `dim=0`.",
            _gates(normal=lambda z: F.layer_norm(z, z.shape[1:], eps=EPSILON)),
        ),
        Misconception(
            "an unbiased variance over the batch",
            "Batch normalisation divides by the number of images; `correction=0` here, too.",
            _gates(normal=lambda z: (z - z.mean(dim=0)) / (z.var(dim=0) + EPSILON).sqrt()),
        ),
        Misconception(
            "a missing batch normalisation",
            "gamma and beta act on z as it is. Subtract the mean of the batch and divide by its "
            "spread first.",
            _gates(normal=lambda z: z),
        ),
        Misconception(
            "a missing sigmoid",
            "Your gates leave the range from 0 to 1. The sigmoid comes last.",
            _gates(squash=lambda t: t),
        ),
    ),
)  # fmt: skip

# 2. The way back of a spread -------------------------------------------------------------


def _to_spread(b: int, c: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        x = (0.5 + randn(b, c, 1, 1).abs()) * randn(b, c, h, w) + 2 * randn(b, c, 1, 1)
        return {"x": x, "std": style(x)[1], "d": randn(b, c)}

    return draw


def _by_autograd(x: Tensor, std: Tensor, d: Tensor) -> Tensor:
    """The gradient that autograd finds for (1): no derivation enters."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(style(x)[1], x, d)[0]


@recipe
def _back(
    *,
    centred: bool = True,
    divisor: Callable[[int], float] = lambda positions: positions,
    power: int = 1,
    factor: float = 1,
    weighted: bool = True,
) -> Function:
    """The derived formula, with one step changed or left out by each argument."""

    def spread_backward(x: Tensor, std: Tensor, d: Tensor) -> Tensor:
        away = x - x.mean(dim=(2, 3), keepdim=True) if centred else x
        own = (d if weighted else torch.ones_like(d)) / std**power
        positions = x.shape[2] * x.shape[3]
        return factor * own[:, :, None, None] * away / max(divisor(positions), 1)

    return spread_backward


SPREAD_BACKWARD = FunctionExercise(
    chapter=CHAPTER,
    name="spread_backward",
    title="Derive the way back of a spread",
    level=2,
    task="Write `spread_backward(x, std, d)`: from d = ∂L/∂std, (b, c), to ∂L/∂x, (b, c, h, w), "
    "through the spread of (1) alone; std is given.",
    hints=(
        "Differentiate std² first: it is the mean of (x - mean)², plus ε.",
        "2 std · ∂std/∂x is the derivative of the variance. The mean depends on x as well; what "
        "this adds is the sum of x - mean, which is zero.",
        "`d[:, :, None, None] * (x - mean) / (h * w * std)`, with the axes of d and std stretched.",
    ),
    explanation="It is a contrast: positive above the mean, negative below, and zero in sum. The "
    "gradient of the mean is the same at every pixel.",
    reference=_by_autograd,
    alternatives=(
        _back(),
        lambda x, std, d: (
            torch.einsum("bc,bchw->bchw", d / std, x - x.mean(dim=(2, 3), keepdim=True))
            / x[0, 0].numel()
        ),
    ),
    cases=(
        Case("plain", _to_spread(2, 3, 3, 4)),
        Case("one image", _to_spread(1, 4, 2, 5)),
        Case("four positions", _to_spread(3, 2, 2, 2)),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-7),
    misconceptions=(
        Misconception(
            "a gradient that is not centred",
            "x itself stands where x less its mean belongs: adding a constant to a channel does "
            "not change its spread, so the gradient must be zero in sum.",
            _back(centred=False),
        ),
        Misconception(
            "the gradient of the variance",
            "You differentiate the square of std. Its root brings 1 / (2 std).",
            _back(power=0, factor=2),
        ),
        Misconception(
            "a forgotten 1/(HW)",
            "The variance is a mean over the positions: each has its share in it.",
            _back(divisor=lambda positions: 1),
        ),
        Misconception(
            "HW - 1 in place of HW",
            "That is the gradient of the unbiased spread, which the authors' code has. Here (1) "
            "divides by HW.",
            _back(divisor=lambda positions: positions - 1),
        ),
        Misconception(
            "a factor of 2 too much",
            "The 2 of the square and the 2 of the root cancel.",
            _back(factor=2),
        ),
        Misconception(
            "a forgotten division by std",
            "The root has the slope 1 / (2 std): the fainter the contrast, the steeper.",
            _back(power=0),
        ),
        Misconception(
            "the gradient from above left out",
            "This is ∂std/∂x. Multiply by d, a number for each image and channel.",
            _back(weighted=False),
        ),
        Misconception(
            "the gradient of the mean",
            "You spread d evenly over the positions: that is the way back of the mean.",
            lambda x, std, d: (d / x[0, 0].numel())[:, :, None, None].expand_as(x),
        ),
    ),
)
