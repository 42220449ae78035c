"""Exercises on ECA-Net that ask for a function: the gates, and the gradient of the kernel."""

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

CHAPTER = "channel/efficient_channel"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The gates ----------------------------------------------------------------------------


def _images(b: int, c: int, k: int, h: int = 3, w: int = 4) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"x": randn(b, c, h, w) + 1.5 * randn(b, c, 1, 1), "w": randn(k)}

    return draw


def _zeros(z: Tensor, reach: int) -> Tensor:
    return F.pad(z, (reach, reach))


def _more(mode: str) -> Callable[[Tensor, int], Tensor]:
    """Padding of another kind, as often as it takes."""

    def pad(z: Tensor, reach: int) -> Tensor:
        while reach:
            step = min(reach, z.shape[1] - (mode == "reflect"))
            z, reach = F.pad(z[:, None], (step, step), mode=mode)[:, 0], reach - step
        return z

    return pad


@recipe
def _gates(
    *,
    pool: Callable[[Tensor], Tensor] = lambda x: x.mean(dim=(2, 3)),
    turn: Callable[[Tensor], Tensor] = lambda z: z,
    pad: Callable[[Tensor, int], Tensor] = _zeros,
    kernel: Callable[[Tensor], Tensor] = lambda w: w,
    squash: Callable[[Tensor], Tensor] = torch.sigmoid,
) -> Function:
    """Equations (1) and (2), with one step changed by each argument."""

    def gates(x: Tensor, w: Tensor) -> Tensor:
        z = pad(turn(pool(x)), len(w) // 2)
        return squash(turn(F.conv1d(z[:, None], kernel(w)[None, None])[:, 0]))

    return gates


def _in_windows(x: Tensor, w: Tensor) -> Tensor:
    """The same by windows of the row of means and a product with the kernel."""
    return torch.sigmoid(_zeros(x.mean(dim=(2, 3)), len(w) // 2).unfold(1, len(w), 1) @ w)


GATES = FunctionExercise(
    chapter=CHAPTER,
    name="gates",
    title="Write the gates",
    level=1,
    task="Write `gates(x, w)`: from x, (b, c, h, w), and one kernel, (k,) with an odd k, to the "
    "gates of equation (2), (b, c). Beyond the ends of the row of channels there are zeros.",
    hints=(
        "Pool first. Then the row of c means is a signal of one channel and c places.",
        "`F.conv1d` takes (b, 1, c) and a kernel (1, 1, k); `padding=k // 2` keeps the length.",
        "`torch.sigmoid(F.conv1d(z[:, None], w[None, None], padding=len(w) // 2)[:, 0])`.",
    ),
    explanation="Axis 1 of the features has become the axis along which a kernel slides. Nothing "
    "else differs from a convolution over time.",
    reference=_gates(),
    alternatives=(_in_windows,),
    cases=(
        Case("three neighbours", _images(3, 6, 3)),
        Case("one image", _images(1, 5, 3)),
        Case("no neighbours", _images(2, 4, 1)),
        Case("a kernel longer than the row", _images(2, 3, 7)),
    ),
    properties=(
        Property(
            "every gate lies strictly between 0 and 1: more than 0, less than 1",
            lambda _, s: bool(((s > 0) & (s < 1)).all()),
        ),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "a missing sigmoid",
            "These are the sums before the sigmoid: gates may then be negative and have no bound.",
            _gates(squash=lambda t: t),
        ),
        Misconception(
            "a softmax over channels",
            "The channels do not share one unit of weight. Each gate is a sigmoid of its own sum.",
            _gates(squash=lambda t: t.softmax(dim=1)),
        ),
        Misconception(
            "a mirrored kernel",
            "Weight w_m belongs to channel c + m. You turned the kernel around.",
            _gates(kernel=lambda w: w.flip(0)),
        ),
        Misconception(
            "a kernel along the batch",
            "Your kernel slides over the images. It slides over the channels of one image, axis 1.",
            _gates(turn=lambda z: z.T),
        ),
        Misconception(
            "a sum in place of the mean",
            "Equation (1) is the mean over positions, so that the size of the map does not count.",
            _gates(pool=lambda x: x.sum(dim=(2, 3))),
        ),
        Misconception(
            "a maximum in place of the mean",
            "The squeeze is the mean of each channel.",
            _gates(pool=lambda x: x.amax(dim=(2, 3))),
        ),
        Misconception(
            "a row that closes to a ring",
            "You let the first channel see the last one. Beyond the ends there are zeros.",
            _gates(pad=_more("circular")),
        ),
        Misconception(
            "ends that repeat themselves",
            "You repeat the first and last channel beyond the ends. There are zeros.",
            _gates(pad=_more("replicate")),
        ),
        Misconception(
            "zeros on one side only",
            "Pad k // 2 zeros on both sides: with all of them in front, a gate sees only channels "
            "before its own.",
            _gates(pad=lambda z, reach: F.pad(z, (2 * reach, 0))),
        ),
    ),
)

# 2. The gradient of the kernel -----------------------------------------------------------


def _slopes(b: int, c: int, k: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"z": randn(b, c), "d": randn(b, c), "k": k}

    return draw


def _by_autograd(z: Tensor, d: Tensor, k: int) -> Tensor:
    """The gradient that autograd finds for the sums of (2): no derivation enters."""
    w = z.new_zeros(k, requires_grad=True)
    with torch.enable_grad():
        sums = F.conv1d(z[:, None], w[None, None], padding=k // 2)[:, 0]
        return torch.autograd.grad(sums, w, d)[0]


@recipe
def _back(
    *,
    pad: Callable[[Tensor, int], Tensor] = _zeros,
    window: Callable[[Tensor, int, int], Tensor] = lambda z, m, c: z[:, m : m + c],
    gather: Callable[[Tensor], Tensor] = torch.sum,
    order: Callable[[Tensor], Tensor] = lambda g: g,
) -> Function:
    """The correlation, with one step changed by each argument."""

    def kernel_gradient(z: Tensor, d: Tensor, k: int) -> Tensor:
        padded = pad(z, k // 2)
        terms = [gather(d * window(padded, m, z.shape[1])) for m in range(k)]
        return order(torch.stack(terms))

    return kernel_gradient


KERNEL_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="kernel_gradient",
    title="Derive the gradient of the kernel",
    level=3,
    task="Write `kernel_gradient(z, d, k)`: from the means z and d = ∂L/∂τ at the sums before the "
    "sigmoid, both (b, c), to ∂L/∂w, (k,), for zeros beyond the ends.",
    hints=(
        "Which sums does one weight w_m enter? All of them: it is shared.",
        "In the sum of channel c the weight w_m multiplies z_{c+m}, so its gradient is "
        "Σ d_c z_{c+m}, over channels and images.",
        "Pad z by k // 2 zeros on both sides; entry m, counted from 0, is "
        "`(d * padded[:, m : m + c]).sum()`.",
    ),
    explanation="Sharing adds up: one weight hears of all channels and all images. Without sharing "
    "each channel keeps its own term.",
    reference=_by_autograd,
    alternatives=(
        _back(),
        lambda z, d, k: torch.einsum("bc,bck->k", d, _zeros(z, k // 2).unfold(1, k, 1)),
    ),
    cases=(
        Case("three neighbours", _slopes(3, 6, 3)),
        Case("one image", _slopes(1, 5, 3)),
        Case("no neighbours", _slopes(4, 3, 1)),
        Case("five neighbours", _slopes(2, 7, 5)),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "a mirrored kernel",
            "Entry 0 of the kernel meets the channel on the left, z_{c-p}. You have the gradients "
            "in reverse.",
            _back(order=lambda g: g.flip(0)),
        ),
        Misconception(
            "a mean in place of the sum",
            "One weight enters every sum, and its gradients add up.",
            _back(gather=torch.mean),
        ),
        Misconception(
            "the first image only",
            "The kernel serves all images of the batch: add up over them as well.",
            _back(gather=lambda t: t[0].sum()),
        ),
        Misconception(
            "no shift",
            "You multiply d_c by z_c for every entry. Entry m meets z_{c+m}.",
            _back(window=lambda z, m, c: z[:, (z.shape[1] - c) // 2 :][:, :c]),
        ),
        Misconception(
            "a row that closes to a ring",
            "Beyond the ends there are zeros, and nothing to correlate with.",
            _back(pad=_more("circular")),
        ),
        Misconception(
            "a rectified correlation",
            "No ReLU stands between the sums and the means, and gradients may be negative.",
            _back(gather=lambda t: t.relu().sum()),
        ),
    ),
)
