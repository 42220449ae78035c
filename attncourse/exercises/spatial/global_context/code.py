"""Exercises on GCNet that ask for a function: the context, and the gradient of the scores."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import overflow

CHAPTER = "spatial/global_context"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Step = Callable[[Tensor], Tensor]

# 1. The context --------------------------------------------------------------------------


def _images(b: int, c: int, h: int, w: int, loud: float = 1.0) -> Draw:
    """Draws maps and a scoring vector; a ``loud`` one scores the first position far above."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        x, w_k = randn(b, c, h, w) + randn(b, c, 1, 1), loud * randn(c)
        if loud > 1:
            x[:, :, 0, 0] += 4 * w_k.sign()
        return {"x": x, "w_k": w_k}

    return draw


@recipe
def _context(
    *,
    logits: Callable[[Tensor, Tensor], Tensor] = lambda x, w_k: torch.einsum("bcn,c->bn", x, w_k),
    weigh: Step = lambda s: s.softmax(dim=1),
    pool: Callable[[Tensor, Tensor], Tensor] = lambda x, a: torch.einsum("bcn,bn->bc", x, a),
) -> Function:
    """Equation (4) with the weights of (2), with one step changed by each argument."""

    def context(x: Tensor, w_k: Tensor) -> Tensor:
        x = x.flatten(2)
        return pool(x, weigh(logits(x, w_k)))

    return context


def _hard(s: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(s.argmax(dim=1), s.shape[1]).to(s.dtype)


CONTEXT = FunctionExercise(
    chapter=CHAPTER,
    name="context",
    title="Write the context",
    level=1,
    task="Write `context(x, w_k)`: from x, (b, c, h, w), and the scoring vector, (c,), to the "
    "context of equation (4), (b, c).",
    hints=(
        "First one number for each position: the product of its column of x with w_k, (b, n).",
        "A softmax over the n positions of an image, then a weighted sum of the columns.",
        "`x = x.flatten(2)`, `a = torch.einsum('bcn,c->bn', x, w_k).softmax(dim=1)`, and a last "
        "einsum 'bcn,bn->bc'.",
    ),
    explanation="Two passes over x: one to score it, one to read it.",
    reference=_context(),
    alternatives=(
        lambda x, w_k: torch.stack(
            [v @ torch.softmax(w_k.to(v) @ v, dim=0) for v in x.flatten(2)]
        ),
    ),
    cases=(
        Case("plain", _images(2, 3, 4, 5)),
        Case("one image, loud scores", _images(1, 4, 3, 2, loud=1000.0)),
        Case("as many channels as positions", _images(2, 4, 2, 2)),
        Case("one position", _images(3, 2, 1, 1)),
    ),
    properties=(
        Property(
            "the context lies between the least and the largest value of each channel",
            lambda given, c: bool(
                (
                    (c <= given["x"].flatten(2).amax(2) + 1e-9)
                    & (c >= given["x"].flatten(2).amin(2) - 1e-9)
                ).all()
            ),
        ),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "the plain mean",
            "Every position counts alike in yours: that is SE's squeeze. Weigh the positions by a "
            "softmax of their scores.",
            _context(weigh=lambda s: torch.full_like(s, 1 / s.shape[1])),
        ),
        overflow(lambda weigh: _context(weigh=weigh), 1),
        Misconception(
            "a softmax over the batch",
            "Your weights add up to 1 over the images. It is the positions of one image that "
            "share: `softmax(dim=1)`.",
            _context(weigh=lambda s: s.softmax(dim=0)),
        ),
        Misconception(
            "sigmoids in place of a softmax",
            "Your weights do not add up to 1, so the context grows with the image.",
            _context(weigh=torch.sigmoid),
        ),
        Misconception(
            "scores in place of weights",
            "You weigh by the scores themselves. Make weights of them by a softmax.",
            _context(weigh=lambda s: s),
        ),
        Misconception(
            "scores over the root of c",
            "Equation (2) divides by nothing: w_k is learned, and so is its length.",
            _context(weigh=lambda s: s, logits=lambda x, w_k: (
                torch.einsum("bcn,c->bn", x, w_k) / x.shape[1] ** 0.5
            ).softmax(dim=1)),
        ),
        Misconception(
            "the best position alone",
            "You take the position with the largest score. A softmax shares, and so has a gradient "
            "at every position.",
            _context(weigh=_hard),
        ),
        Misconception(
            "a sum that should be a mean twice over",
            "The weights add up to 1 already: nothing is left to divide by n.",
            _context(pool=lambda x, a: torch.einsum("bcn,bn->bc", x, a) / x.shape[2]),
        ),
    ),
)  # fmt: skip

# 2. The gradient of the scores -----------------------------------------------------------


def _slopes(b: int, c: int, n: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"x": randn(b, c, n), "alpha": randn(b, n).softmax(dim=1), "d": randn(b, c)}

    return draw


def _by_a_jacobian(x: Tensor, alpha: Tensor, d: Tensor) -> Tensor:
    """The same through the matrix of slopes of a softmax."""
    pull = (x * d[:, :, None]).sum(dim=1)
    slopes = torch.diag_embed(alpha) - alpha[:, :, None] * alpha[:, None]
    return (slopes @ pull[:, :, None])[:, :, 0]


@recipe
def _back(
    *,
    about: Callable[[Tensor, Tensor], Tensor] = lambda x, alpha: torch.einsum(
        "bcn,bn->bc", x, alpha
    ),
    weigh: Callable[[Tensor, Tensor], Tensor] = lambda alpha, pull: alpha * pull,
) -> Function:
    """Equation (10), with one step changed by each argument."""

    def score_gradient(x: Tensor, alpha: Tensor, d: Tensor) -> Tensor:
        apart = x - about(x, alpha)[:, :, None]
        return weigh(alpha, torch.einsum("bcn,bc->bn", apart, d))

    return score_gradient


SCORE_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="score_gradient",
    title="Derive the gradient of the scores",
    level=3,
    task="Write `score_gradient(x, alpha, d)`: from x, (b, c, n), the weights, (b, n), and "
    "d = ∂L/∂c at the context, (b, c), to ∂L/∂s at the scores before the softmax, (b, n), without "
    "autograd.",
    hints=(
        "∂c/∂αⱼ is xⱼ, and a softmax has ∂αⱼ/∂sₘ = αⱼ (δⱼₘ - αₘ).",
        "∂L/∂sₘ = αₘ (⟨xₘ, d⟩ - Σⱼ αⱼ ⟨xⱼ, d⟩). What is the last sum, in terms of c?",
        "It is ⟨c, d⟩: so αₘ ⟨xₘ - c, d⟩.",
    ),
    explanation="A position gains weight if it lies on the side of the context where the loss "
    "wants the context to go, and the more weight it has, the more it is heard.",
    reference=_back(),
    alternatives=(_by_a_jacobian,),
    cases=(
        Case("plain", _slopes(3, 4, 6)),
        Case("one image", _slopes(1, 3, 5)),
        Case("as many channels as positions", _slopes(2, 4, 4)),
        Case("two positions", _slopes(2, 3, 2)),
    ),
    properties=(
        Property(
            "the gradients of one image's scores add up to zero",
            lambda _, out: bool((out.sum(dim=1).abs() < 1e-6).all()),
        ),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "weights that do not compete",
            "When one weight grows the others shrink: subtract the context from x, or the mean "
            "pull from each.",
            _back(about=lambda x, alpha: torch.zeros_like(x[:, :, 0])),
        ),
        Misconception(
            "the plain mean subtracted",
            "What is subtracted is the weighted mean, the context itself.",
            _back(about=lambda x, alpha: x.mean(dim=2)),
        ),
        Misconception(
            "the weight left out",
            "A softmax has the slope αₘ in front: a position without weight is not heard.",
            _back(weigh=lambda alpha, pull: pull),
        ),
        Misconception(
            "a sigmoid's slope",
            "α (1 - α) is the slope of a single weight by its own score. The scores of the others "
            "move it as well.",
            _back(
                about=lambda x, alpha: torch.zeros_like(x[:, :, 0]),
                weigh=lambda alpha, pull: alpha * (1 - alpha) * pull,
            ),
        ),
        Misconception(
            "a mean over positions",
            "Nothing is divided by n here.",
            _back(weigh=lambda alpha, pull: alpha * pull / alpha.shape[1]),
        ),
        Misconception(
            "summed over the batch",
            "Each image has scores of its own.",
            _back(weigh=lambda alpha, pull: (alpha * pull).sum(dim=0).expand_as(alpha)),
        ),
    ),
)
