"""Exercises on mixed kernels that ask for a function: the mixture and its way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.branch.conditional_convolution import Steps, mix, one_by_one
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import softmax_backward

CHAPTER = "branch/conditional_convolution"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. One convolution with mixed kernels ---------------------------------------------------


def _images(b: int, k: int, c: int, o: int, h: int, w: int, stride: int = 1) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        a = randn(b, k).sigmoid()
        return {"x": randn(b, c, h, w), "a": a, "kernels": randn(k, o, c, 3, 3), "stride": stride}

    return draw


def _convolved(x: Tensor, mixed: Tensor, stride: int) -> Tensor:
    """Each image with its own kernel, in groups."""
    b, o = mixed.shape[:2]
    y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), mixed.flatten(0, 1), None, stride, 1, 1, b)
    return y.unflatten(1, (b, o))[0]


@recipe
def _conditional(
    *,
    weigh: Callable[[Tensor], Tensor] = lambda a: a,
    kernel: Callable[[Tensor], Tensor] = lambda kernels: kernels,
    order: Callable[[Tensor], Tensor] = lambda x: x,
) -> Function:
    def conditional(x: Tensor, a: Tensor, kernels: Tensor, stride: int) -> Tensor:
        return _convolved(order(x), mix(weigh(a), kernel(kernels)), stride)

    return conditional


def _rectified(x: Tensor, a: Tensor, kernels: Tensor, stride: int) -> Tensor:
    parts = [F.relu(F.conv2d(x, kernel, None, stride, 1)) for kernel in kernels]
    return torch.einsum("bk,kbohw->bohw", a, torch.stack(parts))


CONDITIONAL = FunctionExercise(
    chapter=CHAPTER,
    name="conditional",
    title="Convolve every image with its own mixture",
    level=2,
    task="Write `conditional(x, a, kernels, stride)`: from x, (b, c, h, w), the weights a, (b, k), "
    "and `kernels`, (k, o, c, 3, 3), to y of (2) and (3), with a padding of 1.",
    hints=(
        "First the mixture of each image: `torch.einsum('bk,kocpq->bocpq', a, kernels)`.",
        "Any of three ways will do: a loop over images, a convolution in groups with one group an "
        "image, or k convolutions whose outputs are mixed.",
        "In groups: `x.reshape(1, b * c, h, w)` beside `mixed.reshape(b * o, c, 3, 3)`, with "
        "`groups=b`. The sizes of the output are those that the convolution gives.",
    ),
    explanation="The three ways are equal because a convolution is linear in its kernel.",
    reference=lambda x, a, kernels, stride: one_by_one(x, a, kernels, None, Steps(stride, 1)),
    alternatives=(
        _conditional(),
        lambda x, a, kernels, stride: torch.einsum(
            "bk,kbohw->bohw", a, torch.stack([F.conv2d(x, w, None, stride, 1) for w in kernels])
        ),
    ),
    cases=(
        Case("plain", _images(3, 2, 3, 3, 4, 4)),
        Case("not square, other channels", _images(2, 3, 4, 2, 3, 5)),
        Case("a stride of 2", _images(3, 2, 2, 3, 5, 4, stride=2)),
        Case("one image", _images(1, 4, 3, 2, 3, 3)),
    ),
    properties=(
        Property(
            "y has o channels, and its sizes are those that the convolution gives",
            lambda given, y: y.shape == (
                len(given["x"]), given["kernels"].shape[1],
                *(-(-n // given["stride"]) for n in given["x"].shape[2:]),
            ),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "images that see each other's channels",
            "Side by side on the channel axis the images must stand one after the other: all "
            "channels of the first, then all of the second. `x.reshape(1, b * c, h, w)` does that; "
            "a transposition before it hands every kernel channels of several images.",
            _conditional(order=lambda x: x.transpose(0, 1).reshape(x.shape)),
        ),
        Misconception(
            "one kernel for the whole batch",
            "You average the weights over the batch. Every image has a mixture of its own, and no "
            "image may depend on its batch mates.",
            _conditional(weigh=lambda a: a.mean(dim=0, keepdim=True).expand_as(a)),
        ),
        Misconception(
            "the kernel of the first image for all",
            "Every image has weights of its own; you use those of the first one.",
            _conditional(weigh=lambda a: a[:1].expand_as(a)),
        ),
        Misconception(
            "weights that were made to add up to one",
            "You divide by the sum of the weights. Sigmoids need not add up to one; take them as "
            "they are.",
            _conditional(weigh=lambda a: a / a.sum(dim=1, keepdim=True)),
        ),
        Misconception(
            "a softmax of the weights",
            "`a` holds the weights already. A softmax belongs to the routing, not to the mixture.",
            _conditional(weigh=lambda a: a.softmax(dim=1)),
        ),
        Misconception(
            "a sum without weights",
            "You add up the kernels without their weights.",
            _conditional(weigh=torch.ones_like),
        ),
        Misconception(
            "a mean without weights",
            "You average the kernels. Each has a weight, and the weights differ by image.",
            _conditional(weigh=lambda a: torch.full_like(a, 1 / a.shape[1])),
        ),
        Misconception(
            "mirrored kernels",
            "You turn the kernels before the convolution. Here, as in every library, a convolution "
            "takes its kernel as it is.",
            _conditional(kernel=lambda kernels: kernels.flip(3, 4)),
        ),
        Misconception(
            "a ReLU between kernels and mixture",
            "You rectify the output of every kernel and mix afterwards. That is a mixture of "
            "branches; a single convolution with a mixed kernel cannot equal it.",
            _rectified,
        ),
    ),
)  # fmt: skip

# 2. The gradient of a score ---------------------------------------------------------------


def _upstream(b: int, k: int, c: int, o: int, h: int, w: int, tau: float) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {
            "a": randn(b, k).softmax(dim=1), "x": randn(b, c, h, w),
            "kernels": randn(k, o, c, 3, 3), "g": randn(b, o, h, w), "tau": tau,
        }  # fmt: skip

    return draw


def _by_autograd(a: Tensor, x: Tensor, kernels: Tensor, g: Tensor, tau: float) -> Tensor:
    """Through the package's own mixture; scores tau log a give the weights a."""
    scores = (tau * a.log()).requires_grad_()
    y = one_by_one(x, (scores / tau).softmax(dim=1), kernels, None, Steps(padding=1))
    return torch.autograd.grad(y, scores, g)[0]


def _merits(x: Tensor, kernels: Tensor, g: Tensor) -> Tensor:
    """What the loss gains by each kernel, (b, k): <g, W_m * x>."""
    return torch.stack([(g * F.conv2d(x, w, padding=1)).sum(dim=(1, 2, 3)) for w in kernels], 1)


def _backward(
    rule: Callable[[Tensor, Tensor], Tensor],
    merits: Callable[[Tensor, Tensor, Tensor], Tensor] = _merits,
    cool: Callable[[float], float] = lambda tau: 1 / tau,
) -> Function:
    return lambda a, x, kernels, g, tau: cool(tau) * rule(a, merits(x, kernels, g))


def _right(a: Tensor, m: Tensor) -> Tensor:
    return a * (m - (a * m).sum(dim=1, keepdim=True))


SCORE_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="score_gradient",
    title="Derive the gradient of a score",
    level=3,
    task="Write `score_gradient(a, x, kernels, g, tau)`: from the shares a of (6), (b, k), x, "
    "(b, c, h, w), the kernels, (k, o, c, 3, 3), and g = ∂L/∂y, (b, o, h, w), to ∂L/∂u of the "
    "scores before the temperature, (b, k). The convolution has a padding of 1.",
    hints=(
        "Three steps back: from y to the shares, through the softmax, through the division by tau.",
        "∂L/∂a is the merit of each kernel: `(g * F.conv2d(x, kernels[m], padding=1))`, summed "
        "over everything but the images.",
        "The softmax passes on a(merit - mean merit under a), and the division adds a factor "
        "1 / tau.",
    ),
    explanation="The gradients of one image's scores add up to zero, and a hot softmax passes "
    "little of them on.",
    reference=_by_autograd,
    alternatives=(
        _backward(_right),
        lambda a, x, kernels, g, tau: torch.einsum(
            "bkl,bl->bk", torch.diag_embed(a) - a[:, :, None] * a[:, None, :],
            torch.einsum("bchw,bkchw->bk", g, torch.stack(
                [F.conv2d(x, w, padding=1) for w in kernels], dim=1)),
        ) / tau,
    ),
    cases=(
        Case("temperature 1", _upstream(2, 3, 2, 3, 3, 4, 1.0)),
        Case("temperature 4", _upstream(3, 2, 3, 2, 4, 3, 4.0)),
        Case("temperature 0.5, one image", _upstream(1, 4, 2, 2, 3, 3, 0.5)),
    ),
    properties=(
        Property(
            "the gradients of one image's scores add up to zero",
            lambda _, u: u.ndim == 2 and bool(u.sum(dim=1).abs().max() < 1e-6),
        ),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        *softmax_backward(lambda rule: _backward(lambda a, m: rule(a, m, 1)), weight="a"),
        Misconception(
            "a temperature that is lost",
            "The scores are divided by tau on the way there, so their gradient is, too.",
            _backward(_right, cool=lambda tau: 1.0),
        ),
        Misconception(
            "a temperature that multiplies",
            "A division by tau passes back a division by tau.",
            _backward(_right, cool=lambda tau: tau),
        ),
        Misconception(
            "a temperature too many",
            "The division by tau stands once on the way, and once on the way back.",
            _backward(_right, cool=lambda tau: tau**-2),
        ),
        Misconception(
            "a mean over the positions",
            "One share acts on all positions and channels of its image: contributions are summed.",
            _backward(_right, lambda x, kernels, g: _merits(x, kernels, g) / g[0].numel()),
        ),
        Misconception(
            "a mean merit over the batch",
            "The mean is taken over the kernels of one image. No image may depend on others.",
            _backward(lambda a, m: a * (m - (a * m).sum(dim=0, keepdim=True))),
        ),
    ),
)  # fmt: skip
