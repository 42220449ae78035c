"""Exercises on Squeeze-and-Excitation that ask for a function: excitation and backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.squeeze_excitation import excite
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/squeeze_excitation"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor]]

# 1. Excitation ---------------------------------------------------------------------------


def _weights(b: int, c: int, d: int, dtype: torch.dtype = torch.float32, scale: float = 1) -> Draw:
    """Draws z and both layers; ``scale`` stretches z."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        shapes = {"z": (b, c), "w1": (d, c), "b1": (d,), "w2": (c, d), "b2": (c,)}
        drawn = {
            k: torch.randn(shape, generator=generator, dtype=dtype) for k, shape in shapes.items()
        }
        return drawn | {"z": scale * drawn["z"]}

    return draw


def _chain(first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]) -> Function:
    return lambda z, w1, b1, w2, b2: second(first(z @ w1.T + b1) @ w2.T + b2)


def _same(t: Tensor) -> Tensor:
    return t


EXCITE = FunctionExercise(
    chapter=CHAPTER,
    name="excite",
    title="Write the excitation",
    level=1,
    task="Write `excite(z, w1, b1, w2, b2)`: from the squeezed channels, (b, c), to the gates, "
    "(b, c).",
    hints=(
        "Two layers. After each one comes a non-linearity: which one leaves the numbers free "
        "upwards, and which one makes gates of them?",
        "`w1` is (d, c) and every row of `z` is one image, so the first layer is `z @ w1.T + b1`; "
        "`torch.nn.functional.linear(z, w1, b1)` is the same.",
        "First layer, `relu`, second layer, `sigmoid`. Look at equation (2) from the inside out.",
    ),
    explanation="The gates of one image depend on all its channels, and on nothing else.",
    reference=excite,
    alternatives=(
        lambda z, w1, b1, w2, b2: 1 / (1 + (-((z @ w1.T + b1).clamp(min=0) @ w2.T + b2)).exp()),
        lambda z, w1, b1, w2, b2: torch.sigmoid(
            torch.einsum("cd,bd->bc", w2, F.relu(torch.einsum("dc,bc->bd", w1, z) + b1)) + b2
        ),
    ),
    cases=(
        Case("plain", _weights(4, 8, 2)),
        Case("one image", _weights(1, 6, 3)),
        Case("large values", _weights(3, 16, 4, scale=15.0)),
        Case("double precision", _weights(5, 7, 3, dtype=torch.float64)),
        Case("one channel, one unit", _weights(2, 1, 1)),
    ),
    properties=(
        Property("every gate lies from 0 to 1", lambda _, s: bool(((s >= 0) & (s <= 1)).all())),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-4),
    misconceptions=(
        Misconception(
            "a missing sigmoid",
            "Your gates leave the range from 0 to 1, so a channel can be blown up or turned round. "
            "The second layer needs a sigmoid after it.",
            _chain(F.relu, _same),
        ),
        Misconception(
            "a softmax over the channels in place of the sigmoid",
            "Your gates of an image add up to 1, so one channel can only open if another closes. "
            "The sigmoid lets every channel open by itself.",
            _chain(F.relu, lambda t: t.softmax(dim=1)),
        ),
        Misconception(
            "a missing ReLU between the layers",
            "Without it the two layers are one linear map of low rank, and the hidden units "
            "detect nothing.",
            _chain(_same, torch.sigmoid),
        ),
        Misconception(
            "a second ReLU in front of the sigmoid",
            "Nothing negative reaches the sigmoid, so no gate falls below one half and no channel "
            "can be shut. The same slip is in a published port of triplet attention.",
            _chain(F.relu, lambda t: F.relu(t).sigmoid()),
        ),
        Misconception(
            "a ReLU after the second layer in place of one after the first",
            "It belongs to the hidden units. Where you have it, no gate falls below one half.",
            _chain(_same, lambda t: F.relu(t).sigmoid()),
        ),
        Misconception(
            "sigmoid and ReLU changed places",
            "The hidden units take the ReLU, the gates take the sigmoid.",
            _chain(torch.sigmoid, F.relu),
        ),
        Misconception(
            "a sigmoid in both layers",
            "The hidden units take a ReLU: it is zero for half of its inputs and lets the rest "
            "through unchanged.",
            _chain(torch.sigmoid, torch.sigmoid),
        ),
        Misconception(
            "the biases left out",
            "Your layers are `z @ w1.T` and so on; `b1` and `b2` are to be added, as in the "
            "authors' released models.",
            lambda z, w1, b1, w2, b2: excite(z, w1, None, w2, None),
        ),
    ),
)  # fmt: skip

# 2. The backward pass --------------------------------------------------------------------


def _backward_inputs(b: int, c: int, h: int, w: int, d: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        x, g = randn(b, c, h, w), randn(b, c, h, w)
        w1, b1, w2, b2 = randn(d, c), 0.3 * randn(d), randn(c, d), randn(c)
        s = excite(x.mean(dim=(2, 3)), w1, b1, w2, b2)
        return {"x": x, "s": s, "g": g, "w1": w1, "b1": b1, "w2": w2, "b2": b2}

    return draw


def _by_autograd(
    x: Tensor, s: Tensor, g: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
) -> Tensor:
    """The gradient that autograd finds for the forward pass: no derivation enters."""
    x = x.clone().requires_grad_()
    y = excite(x.mean(dim=(2, 3)), w1, b1, w2, b2)[:, :, None, None] * x
    return torch.autograd.grad(y, x, g)[0]


@recipe
def _backward(
    *,
    local: bool = True,
    squeezed: Callable[..., Tensor] = torch.sum,
    slope: bool = True,
    mask: bool = True,
    turned: bool = False,
    mean: bool = True,
) -> Function:
    """The derived formula, with one step changed or left out by each argument."""

    def backward(
        x: Tensor, s: Tensor, g: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
    ) -> Tensor:
        positions = x.shape[2] * x.shape[3]
        ds = squeezed(g * x, dim=(2, 3))
        open_units = (x.mean(dim=(2, 3)) @ w1.T + b1 > 0).to(x.dtype)
        if not mask:
            open_units = torch.ones_like(open_units)
        jacobian = torch.einsum("cd,bd,dk->bck", w2, open_units, w1)  # before the sigmoid's slope
        if slope:
            jacobian = (s * (1 - s))[:, :, None] * jacobian
        jacobian = jacobian.mT if turned else jacobian
        through_gate = torch.einsum("bc,bck->bk", ds, jacobian) / (positions if mean else 1)
        direct = s[:, :, None, None] * g if local else torch.zeros_like(g)
        return direct + through_gate[:, :, None, None]

    return backward


BACKWARD = FunctionExercise(
    chapter=CHAPTER,
    name="backward",
    title="Derive the backward pass",
    level=3,
    task="Write `backward(x, s, g, w1, b1, w2, b2)`: from g = ∂L/∂y to ∂L/∂x, both (b, c, h, w); s "
    "are the gates.",
    hints=(
        "x reaches y = s x on two ways: directly, and through its mean and the gates. Both ways "
        "add up.",
        "The direct way gives `s * g`. For the other one find ∂L/∂s first: one gate serves all "
        "positions of its channel, so `(g * x).sum(dim=(2, 3))`.",
        "Then go back through equation (2): times s(1 - s), times W₂, times 1 where W₁z + b₁ > 0, "
        "times W₁. A mean over HW positions passes 1/HW of it to each of them.",
        "In batches: `u = ds * s * (1 - s)`, then `u = (u @ w2) * mask`, then `u = u @ w1`, and "
        "`s[:, :, None, None] * g + u[:, :, None, None] / (h * w)`.",
    ),
    explanation="The second term is the same for all positions of a channel: each one hears of "
    "what the gate did everywhere.",
    reference=_by_autograd,
    alternatives=(_backward(),),
    cases=(
        Case("plain", _backward_inputs(2, 4, 3, 3, 3)),
        Case("one image, not square", _backward_inputs(1, 3, 2, 4, 5)),
        Case("as many units as channels", _backward_inputs(3, 3, 2, 3, 3)),
        Case("one position", _backward_inputs(2, 3, 1, 1, 4)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-6),
    misconceptions=(
        Misconception(
            "the local term alone",
            "You treat the gates as constants. They depend on x as well: add the term that goes "
            "through the mean and the two layers.",
            lambda x, s, g, w1, b1, w2, b2: s[:, :, None, None] * g,
        ),
        Misconception(
            "the global term alone",
            "The way through the gates is right. Add the direct one: y = s x holds x itself.",
            _backward(local=False),
        ),
        Misconception(
            "a forgotten 1/(HW)",
            "The squeeze is a mean: each position gets only its share of the gradient of z.",
            _backward(mean=False),
        ),
        Misconception(
            "a forgotten s(1 - s)",
            "This is the slope of the sigmoid; it multiplies ∂L/∂s before the second layer.",
            _backward(slope=False),
        ),
        Misconception(
            "a missing ReLU mask",
            "A hidden unit that was cut off to zero passes no gradient back.",
            _backward(mask=False),
        ),
        Misconception(
            "a transposed Jacobian",
            "J[c, k] = ∂s_c/∂z_k. Going back you sum over c, the gates, and keep k, the channel "
            "of x.",
            _backward(turned=True),
        ),
        Misconception(
            "a mean over the positions in ∂L/∂s",
            "One gate acts on all positions of its channel, so their contributions are summed. "
            "The 1/(HW) comes later, from the squeeze.",
            _backward(squeezed=torch.mean),
        ),
    ),
)
