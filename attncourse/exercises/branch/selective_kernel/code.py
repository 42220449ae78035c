"""Exercises on selective kernels that ask for a function: the selection and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.branch.selective_kernel import mix, select
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.shelf import no_softmax, scaled_anyway, softmax_backward, wrong_axes

CHAPTER = "branch/selective_kernel"
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The selection ------------------------------------------------------------------------


def _scored(
    b: int, k: int, c: int, d: int, dtype: torch.dtype = torch.float32, scale: float = 1
) -> Draw:
    """Draws a hidden vector for each image and the stacked score matrices."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        z = torch.randn(b, d, generator=generator, dtype=dtype).abs()
        scores = torch.randn(k * c, d, generator=generator, dtype=dtype)
        return {"z": scale * z, "scores": scores, "k": k}

    return draw


def _selected(weigh: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    return lambda z, scores, k: weigh(z @ scores.T, k)


def _split(logits: Tensor, k: int) -> Tensor:
    return logits.unflatten(1, (k, -1))


def _scaled(factor: Callable[[int], float]) -> Callable[..., Tensor]:
    return lambda z, scores, k: _split(factor(z.shape[1]) * (z @ scores.T), k).softmax(dim=1)


def _over_their_sum(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=1, keepdim=True)


def _over_what_is_left(scores: Tensor) -> Tensor:
    """What a ReLU leaves, over its sum, where a sum of zero is caught."""
    left = scores.relu()
    return left / left.sum(dim=1, keepdim=True).clamp(min=1e-6)


SELECT = FunctionExercise(
    chapter=CHAPTER,
    name="select",
    title="Write the selection",
    level=1,
    task="Write `select(z, scores, k)`: from the hidden units, (b, d), to the weights of the "
    "branches, (b, k, c); `scores`, (k c, d), holds the rows of A₁, then those of A₂, and so on.",
    hints=(
        "First the scores of all branches and channels, `z @ scores.T`, which is (b, k c). Which "
        "of its entries compete with each other?",
        "The k scores of one channel compete, and nothing else does. Give the branches an axis of "
        "their own before the softmax.",
        "`(z @ scores.T).unflatten(1, (k, -1))` is (b, k, c), since the rows come branch by "
        "branch.",
    ),
    explanation="For each channel of each image the k weights add up to 1.",
    reference=select,
    alternatives=(
        lambda z, scores, k: torch.stack((z @ scores.T).chunk(k, dim=1), dim=1).softmax(dim=1),
        lambda z, scores, k: (z @ scores.T).view(len(z), k, -1).log_softmax(dim=1).exp(),
    ),
    cases=(
        Case("two branches", _scored(3, 2, 5, 4)),
        Case("three branches", _scored(2, 3, 4, 6)),
        Case("one image", _scored(1, 2, 6, 3)),
        Case("large scores", _scored(2, 2, 4, 8, scale=60.0)),
        Case("double precision", _scored(4, 4, 3, 2, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "for each channel the weights of the k branches add up to 1",
            lambda _, a: a.ndim == 3 and bool((a.sum(dim=1) - 1).abs().max() < 1e-3),
        ),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-5),
    misconceptions=(
        Misconception(
            "one softmax over all scores, split into branches afterwards",
            "Then all k c entries share a single unit of weight, and the branches of one channel "
            "do not add up to 1. Split first, and take the softmax over the branches.",
            _selected(lambda t, k: _split(t.softmax(dim=1), k)),
        ),
        *wrong_axes(
            lambda axis: _selected(lambda t, k: _split(t, k).softmax(dim=axis)),
            1,
            "the branches of one channel",
            {2: "the channels", 0: "the batch"},
        ),
        *no_softmax(lambda weigh: _selected(lambda t, k: weigh(_split(t, k))), 1),
        Misconception(
            "sigmoids divided by their sum",
            "Such shares add up to 1, but they are no softmax: take the exponential of each score "
            "in place of its sigmoid.",
            _selected(lambda t, k: _over_their_sum(_split(t, k).sigmoid())),
        ),
        Misconception(
            "scores without their exponential",
            "You divide the scores, or what a ReLU leaves of them, by their sum. Take the "
            "exponential of each score first.",
            _selected(lambda t, k: _over_their_sum(_split(t, k).relu())),
            also=(
                _selected(lambda t, k: _over_their_sum(_split(t, k))),
                _selected(lambda t, k: _over_what_is_left(_split(t, k))),
            ),
        ),
        Misconception(
            "a softmax of weights",
            "You take the softmax twice. The second one moves all weights towards 1/k.",
            _selected(lambda t, k: _split(t, k).softmax(dim=1).softmax(dim=1)),
        ),
        Misconception(
            "a softmax of the negative scores",
            "The branch with the largest score gets the largest weight. The sign is turned.",
            _selected(lambda t, k: _split(-t, k).softmax(dim=1)),
        ),
        Misconception(
            "a hard choice",
            "All the weight goes to the branch with the largest score. A softmax shares it out, "
            "and lets a gradient through.",
            _selected(
                lambda t, k: torch.zeros_like(_split(t, k)).scatter(
                    1, _split(t, k).argmax(dim=1, keepdim=True), 1.0
                )
            ),
        ),
        scaled_anyway(_scaled, "The scores of (7) are divided by nothing."),
        Misconception(
            "scores read channel by channel",
            "The rows of `scores` come branch by branch: all channels of A₁, then all of A₂. "
            "Reshape to (b, k, c); (b, c, k) mixes channels with branches.",
            _selected(lambda t, k: t.unflatten(1, (-1, k)).mT.softmax(dim=1)),
        ),
        Misconception(
            "one choice for all channels",
            "You average the scores over the channels. Each channel chooses for itself.",
            _selected(
                lambda t, k: _split(t, k).mean(2, keepdim=True).softmax(1).expand_as(_split(t, k))
            ),
        ),
    ),
)

# 2. The gradient of a score --------------------------------------------------------------


def _branches(b: int, k: int, c: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        a = randn(b, k, c).softmax(dim=1)
        return {"a": a, "u": randn(b, k, c, h, w).clamp(min=0), "g": randn(b, c, h, w)}

    return draw


def _by_autograd(a: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Through the package's own mixture; scores log a give the weights a."""
    scores = a.log().requires_grad_()
    y = mix(scores.softmax(dim=1), list(u.unbind(1)))
    return torch.autograd.grad(y, scores, g)[0]


def _merits(u: Tensor, g: Tensor) -> Tensor:
    return (g[:, None] * u).sum(dim=(3, 4))


def _backward(
    rule: Callable[[Tensor, Tensor], Tensor], merits: Callable[[Tensor, Tensor], Tensor] = _merits
) -> Callable[..., Tensor]:
    return lambda a, u, g: rule(a, merits(u, g))


SCORE_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="score_gradient",
    title="Derive the gradient of a score",
    level=3,
    task="Write `score_gradient(a, u, g)`: from the weights a, (b, k, c), the branches u, "
    "(b, k, c, h, w), and g = ∂L/∂y, (b, c, h, w), to ∂L/∂ℓ of the scores, (b, k, c).",
    hints=(
        "Two steps back: from y to the weights, then through the softmax to the scores.",
        "One weight serves all positions of its channel in its branch, so "
        "`(g[:, None] * u).sum(dim=(3, 4))` is ∂L/∂a, the merit of each branch.",
        "The softmax passes on a(merit - mean merit), and the mean is the one under the weights a "
        "themselves: `(a * merit).sum(dim=1, keepdim=True)`.",
    ),
    explanation="Within each channel the gradients of the k scores add up to zero: one branch "
    "gains what the others lose.",
    reference=_by_autograd,
    alternatives=(_backward(lambda a, m: a * (m - (a * m).sum(dim=1, keepdim=True))),),
    cases=(
        Case("two branches", _branches(2, 2, 4, 3, 3)),
        Case("three branches, not square", _branches(1, 3, 5, 2, 4)),
        Case("one position", _branches(3, 2, 3, 1, 1)),
    ),
    properties=(
        Property(
            "the gradients of one channel's scores add up to zero",
            lambda _, t: t.ndim == 3 and bool(t.sum(dim=1).abs().max() < 1e-6),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        *softmax_backward(lambda rule: _backward(lambda a, m: rule(a, m, 1)), weight="a"),
        Misconception(
            "a mixture over all channels",
            "The mean merit is taken within one channel, because the softmax is.",
            _backward(lambda a, m: a * (m - (a * m).sum(dim=(1, 2), keepdim=True))),
            also=(_backward(lambda a, m: a * (m - (a * m).sum(dim=2, keepdim=True))),),
        ),
        Misconception(
            "a sum of the merits in place of their mean",
            "Each merit enters the mean with the weight a of its branch.",
            _backward(lambda a, m: a * (m - m.sum(dim=1, keepdim=True))),
        ),
        Misconception(
            "a mean that is not multiplied by a",
            "The factor a stands before the whole bracket: a(merit - mean merit).",
            _backward(lambda a, m: a * m - (a * m).sum(dim=1, keepdim=True)),
        ),
        Misconception(
            "a factor a too many",
            "The factor a stands once before the bracket and once in the mean. The merit holds the "
            "branch itself, not the branch multiplied by its weight.",
            _backward(lambda a, m: a * (a * m - (a * a * m).sum(dim=1, keepdim=True))),
            also=(
                _backward(lambda a, m: a * (a * m - (a * m).sum(dim=1, keepdim=True))),
                _backward(lambda a, m: a * a * (m - (a * m).sum(dim=1, keepdim=True))),
            ),
        ),
        Misconception(
            "sums that are multiplied",
            "The merit is a sum of products over the positions. You sum both over the positions "
            "first, and multiply afterwards.",
            _backward(
                lambda a, m: a * (m - (a * m).sum(dim=1, keepdim=True)),
                lambda u, g: g.sum(dim=(2, 3))[:, None] * u.sum(dim=(3, 4)),
            ),
        ),
        Misconception(
            "a mean over the positions",
            "One weight acts on all positions of its channel, so their contributions are summed.",
            _backward(
                lambda a, m: a * (m - (a * m).sum(dim=1, keepdim=True)),
                lambda u, g: (g[:, None] * u).mean(dim=(3, 4)),
            ),
        ),
    ),
)
