"""Exercises on GCT that ask for a function: the gates, and the way back of the competition."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.channel.gated_channel_transformation import EPSILON, compete, embed
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/gated_channel_transformation"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor]]

# 1. The gates ----------------------------------------------------------------------------


def _images(b: int, c: int, h: int, w: int, *, dead: bool = False, faint: float = 1) -> Draw:
    """Draws x and the parameters; ``dead`` makes one channel of one image zero."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        x = faint * ((0.5 + randn(b, c, 1, 1).abs()) * randn(b, c, h, w) + randn(b, c, 1, 1))
        if dead:
            x[0, 0] = 0.0
        alpha = alternating(1 + 0.5 * randn(c).abs())
        return {"x": x, "alpha": alpha, "gamma": 0.7 * randn(c), "beta": 0.5 * randn(c)}

    return draw


@recipe
def _gates(
    *,
    energy: Callable[[Tensor], Tensor] = lambda x: x.square().sum(dim=(2, 3)),
    root: Callable[[Tensor], Tensor] = lambda e: (e + EPSILON).sqrt(),
    weigh: Callable[[Tensor, Tensor], Tensor] = lambda z, alpha: alpha * z,
    normal: Callable[[Tensor], Tensor] = compete,
    shift: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda z, gamma, beta: gamma * z + beta,
    squash: Callable[[Tensor], Tensor] = lambda t: 1 + t.tanh(),
) -> Function:
    """Equations (1) to (3), with one step changed by each argument."""

    def gates(x: Tensor, alpha: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return squash(shift(normal(weigh(root(energy(x)), alpha)), gamma, beta))

    return gates


def _reference(x: Tensor, alpha: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return 1 + torch.tanh(gamma * compete(embed(x, alpha)) + beta)


def _rms(z: Tensor, dim: int) -> Tensor:
    return z / (z.square().mean(dim=dim, keepdim=True) + EPSILON).sqrt()


GATES = FunctionExercise(
    chapter=CHAPTER,
    name="gates",
    title="Write the gates",
    level=1,
    task="Write `gates(x, alpha, gamma, beta)`: from x, (b, c, h, w), and three vectors, (c,), to "
    "the gates of equation (3), (b, c). 1e-5 stands under both roots.",
    hints=(
        "Three steps: one norm for each channel, a division by what all channels of the image "
        "have together, and a gate around 1.",
        "`z = alpha * (x.square().sum(dim=(2, 3)) + 1e-5).sqrt()` is (b, c). Its root mean square "
        "is taken over axis 1, with `keepdim=True`.",
        "`1 + torch.tanh(gamma * z / rms + beta)`.",
    ),
    explanation="With gamma and beta at zero every gate is 1, whatever x: the block starts as the "
    "identity.",
    reference=_reference,
    alternatives=(
        _gates(),
        lambda x, alpha, gamma, beta: 1 + torch.tanh(
            torch.einsum("c,bc->bc", gamma, compete(alpha * (
                torch.linalg.vector_norm(x, dim=(2, 3)).square() + EPSILON
            ).sqrt())) + beta
        ),
    ),
    cases=(
        Case("plain", _images(3, 4, 3, 4)),
        Case("one image", _images(1, 5, 2, 6)),
        Case("a channel of zeros", _images(2, 3, 3, 3, dead=True)),
        Case("faint features", _images(3, 3, 2, 3, faint=2e-3)),
    ),
    properties=(
        Property(
            "every gate lies from 0 to 2", lambda _, s: bool(((s >= 0) & (s <= 2)).all())
        ),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-5),
    misconceptions=(
        Misconception(
            "a mean of squares in place of the sum",
            "The norm of a channel adds the squares up. The division by the other channels hides "
            "the factor, but not on faint features, where 1e-5 counts.",
            _gates(energy=lambda x: x.square().mean(dim=(2, 3))),
        ),
        Misconception(
            "a mean in place of the norm",
            "You squeeze each channel to its mean, as SE does. Equation (1) takes its norm.",
            lambda x, alpha, gamma, beta: (
                1 + torch.tanh(gamma * compete(alpha * x.mean(dim=(2, 3))) + beta)
            ),
        ),
        Misconception(
            "a spread in place of the norm",
            "You subtract the mean before squaring, as SRM does. The norm of (1) holds the mean as "
            "well.",
            _gates(energy=lambda x: (x - x.mean(dim=(2, 3), keepdim=True)).square().sum((2, 3))),
        ),
        Misconception(
            "an energy in place of the norm",
            "The root of the sum of squares is missing.",
            _gates(root=lambda e: e + EPSILON),
        ),
        Misconception(
            "no eps under the root of the norm",
            "A channel of zeros then has a root of zero, whose slope is infinite. Put 1e-5 under "
            "the root.",
            _gates(root=torch.sqrt),
        ),
        Misconception(
            "no competition",
            "Divide z by its root mean square over the channels: without it the gates depend on "
            "the brightness of the image.",
            _gates(normal=lambda z: z),
        ),
        Misconception(
            "a competition among images",
            "You divide by what the images of the batch have together. It is the channels of one "
            "image that compete: axis 1.",
            _gates(normal=lambda z: _rms(z, 0)),
        ),
        Misconception(
            "a norm over channels in place of the root mean square",
            "You divide by √(Σ z²). Equation (2) divides by the root of the mean, √C times "
            "smaller, so that equal channels give 1.",
            _gates(normal=lambda z: z / (z.square().sum(1, keepdim=True) + EPSILON).sqrt()),
        ),
        Misconception(
            "a softmax over channels",
            "Channels compete by division here, not by exponentials.",
            _gates(normal=lambda z: z.softmax(dim=1)),
        ),
        Misconception(
            "a forgotten alpha",
            "alpha weighs each norm before they are compared.",
            _gates(weigh=lambda z, alpha: z),
        ),
        Misconception(
            "a beta inside the product",
            "gamma multiplies the relative norm alone: gamma ẑ + beta.",
            _gates(shift=lambda z, gamma, beta: gamma * (z + beta)),
        ),
        Misconception(
            "gamma and beta exchanged",
            "gamma is the slope, beta the shift.",
            _gates(shift=lambda z, gamma, beta: beta * z + gamma),
        ),
        Misconception(
            "a forgotten 1",
            "tanh alone is 0 at the start, and the block would give zero. The gate is 1 + tanh.",
            _gates(squash=torch.tanh),
        ),
        Misconception(
            "a sigmoid",
            "SE's gate shuts and never boosts. Here it is 1 + tanh, from 0 to 2.",
            _gates(squash=torch.sigmoid),
        ),
    ),
)  # fmt: skip

# 2. The way back of the competition ------------------------------------------------------


def _norms(b: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"z": alternating(0.3 + 2 * randn(b, c).abs()), "d": randn(b, c)}

    return draw


def _normal(z: Tensor) -> Tensor:
    return z / z.square().mean(dim=1, keepdim=True).sqrt()


def _by_autograd(z: Tensor, d: Tensor) -> Tensor:
    """The gradient that autograd finds for (2) without eps: no derivation enters."""
    z = z.clone().requires_grad_()
    return torch.autograd.grad(_normal(z), z, d)[0]


@recipe
def _back(
    *,
    share: Callable[[Tensor, Tensor], Tensor] = lambda hat, d: (hat * d).mean(dim=1, keepdim=True),
    along: Callable[[Tensor], Tensor] = lambda hat: hat,
    sign: float = -1,
    power: float = 1,
    length: Callable[[Tensor], Tensor] = lambda z: z.square().mean(dim=1, keepdim=True).sqrt(),
) -> Function:
    """The derived formula, with one step changed or left out by each argument."""

    def compete_backward(z: Tensor, d: Tensor) -> Tensor:
        hat = _normal(z)
        return (d + sign * along(hat) * share(hat, d)) / length(z) ** power

    return compete_backward


COMPETE_BACKWARD = FunctionExercise(
    chapter=CHAPTER,
    name="compete_backward",
    title="Derive the way back of the competition",
    level=3,
    task="Write `compete_backward(z, d)`: from the weighted norms z and d = ∂L/∂ẑ, both (b, c), "
    "to ∂L/∂z through equation (2), without eps.",
    hints=(
        "ẑ = z / ρ with ρ² the mean of z² over channels. What is ∂ρ/∂z_k?",
        "∂ρ/∂z_k = z_k / (C ρ) = ẑ_k / C. Use the product rule for z_c / ρ.",
        "`(d - hat * (hat * d).mean(dim=1, keepdim=True)) / rho`.",
    ),
    explanation="The part of d along ẑ is taken away: a change that makes all channels louder by "
    "the same factor changes no gate.",
    reference=_by_autograd,
    alternatives=(
        _back(),
        lambda z, d: (
            d / (n := z.square().sum(1, keepdim=True).sqrt())
            - z * (z * d).sum(1, keepdim=True) / n**3
        ) * z.shape[1] ** 0.5,
    ),
    cases=(
        Case("plain", _norms(3, 4)),
        Case("one image", _norms(1, 6)),
        Case("two channels", _norms(5, 2)),
    ),
    properties=(
        Property(
            "the gradient has no part along z",
            lambda i, out: bool(((i["z"] * out).sum(dim=1).abs() < 1e-6).all()),
        ),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-7),
    misconceptions=(
        Misconception(
            "a divisor held fixed",
            "You divide d by ρ and treat ρ as a number. It depends on every z: this is where the "
            "channels compete.",
            _back(sign=0),
        ),
        Misconception(
            "a sum in place of the mean",
            "∂ρ/∂z_k = ẑ_k / C: the C is missing.",
            _back(share=lambda hat, d: (hat * d).sum(dim=1, keepdim=True)),
        ),
        Misconception(
            "a plus in place of the minus",
            "A louder channel makes the divisor larger and the others smaller: subtract.",
            _back(sign=1),
        ),
        Misconception(
            "a competition among images",
            "The mean of ẑ d runs over the channels of one image, axis 1.",
            _back(share=lambda hat, d: (hat * d).mean(dim=0, keepdim=True)),
        ),
        Misconception(
            "a forgotten division by the root mean square",
            "ẑ does not change with the scale of z, so its gradient falls with it: divide by ρ.",
            _back(power=0),
        ),
        Misconception(
            "a division by the mean square",
            "One factor 1/ρ too many.",
            _back(power=2),
        ),
        Misconception(
            "a mean of d that is not weighted",
            "You subtract ẑ times the mean of d. It is the mean of ẑ d.",
            _back(share=lambda hat, d: d.mean(dim=1, keepdim=True)),
        ),
        Misconception(
            "the way back of a mean that is subtracted",
            "You take the mean away from d, as for centred numbers. Here the part along ẑ goes.",
            _back(along=torch.ones_like, share=lambda hat, d: d.mean(dim=1, keepdim=True)),
        ),
    ),
)  # fmt: skip
