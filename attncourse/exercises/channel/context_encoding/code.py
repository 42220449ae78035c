"""Exercises on EncNet that ask for a function: the code, and the way back to the codewords."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.context_encoding import encode, encode_gradients
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/context_encoding"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Step = Callable[[Tensor], Tensor]

# 1. The code -----------------------------------------------------------------------------


def _codebook(
    b: int, n: int, k: int, c: int, dtype: torch.dtype = torch.float64, away: float = 0.0
) -> Draw:
    """Draws features, codewords and smoothing factors; ``away`` moves every feature."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        tau = -0.1 - torch.rand(k, generator=generator, dtype=dtype)
        return {"u": away + randn(b, n, c), "d": randn(k, c), "tau": alternating(tau)}

    return draw


def _distances(u: Tensor, d: Tensor) -> Tensor:
    return (u * u).sum(2, keepdim=True) - 2 * u @ d.mT + (d * d).sum(1)


def _residuals_of(a: Tensor, u: Tensor, d: Tensor) -> Tensor:
    return a.mT @ u - a.sum(dim=1)[:, :, None] * d


@recipe
def _code(
    *,
    distance: Callable[[Tensor, Tensor], Tensor] = _distances,
    logits: Callable[[Tensor, Tensor], Tensor] = lambda tau, away: tau * away,
    weigh: Step = lambda logits: logits.softmax(dim=2),
    gather: Callable[[Tensor, Tensor, Tensor], Tensor] = _residuals_of,
) -> Function:
    """Equations (2) and (3), with one step changed by each argument."""

    def code(u: Tensor, d: Tensor, tau: Tensor) -> Tensor:
        return gather(weigh(logits(tau, distance(u, d))), u, d)

    return code


def _hard(logits: Tensor) -> Tensor:
    return F.one_hot(logits.argmax(dim=2), logits.shape[2]).to(logits.dtype)


CODE = FunctionExercise(
    chapter=CHAPTER,
    name="code",
    title="Encode an image",
    level=2,
    task="Write `encoded(u, d, tau)`: from features u, (b, n, c), codewords d, (k, c), and "
    "smoothing factors tau, (k,), to the sums of residuals by (2) and (3), (b, k, c). Use (7) and "
    "(8), so that no tensor of b × n × k × c numbers is made; the check looks.",
    hints=(
        "First all squared distances, (b, n, k), by (7). What of them needs a matrix product?",
        "`a = (tau * distances).softmax(dim=2)`; then Σᵢ aᵢₖ uᵢ is one matrix product, `a.mT @ u`.",
        "What is left is Σᵢ aᵢₖ times the codeword: `a.sum(dim=1)[:, :, None] * d`.",
    ),
    explanation="The largest tensors have b × n × k and b × n × c numbers. The package subtracts "
    "the codewords' mean from u and d first, so that a common offset costs no precision.",
    reference=encode,
    alternatives=(
        _code(),
        _code(distance=lambda u, d: torch.cdist(u, d.expand(len(u), -1, -1)).square()),
        _code(
            gather=lambda a, u, d: torch.stack(
                [(a[:, :, [k]] * (u - word)).sum(dim=1) for k, word in enumerate(d)], dim=1
            )
        ),
    ),
    most=lambda given: given["u"].numel() * len(given["d"]) - 1,
    cases=(
        Case("plain", _codebook(2, 7, 3, 4)),
        Case("one image, one codeword", _codebook(1, 5, 1, 3)),
        Case("more codewords than pixels, all of them far away", _codebook(2, 3, 5, 2, away=100.0)),
        Case("as many pixels as codewords and channels", _codebook(2, 4, 4, 4)),
    ),
    properties=(
        Property(
            "an offset of features and codewords together changes nothing; your result has the "
            "shape (b, k, c)",
            lambda given, e: e.shape == (len(given["u"]), *given["d"].shape),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "a softmax over pixels",
            "Your shares add up to 1 over the pixels of a codeword. It is the codewords that "
            "compete for a pixel: `softmax(dim=2)`.",
            _code(weigh=lambda logits: logits.softmax(dim=1)),
        ),
        Misconception(
            "an underflow",
            "Far from every codeword all exponentials are 0, and 0/0 is NaN. Subtract the largest "
            "product of tau and distance of each pixel first, or call `softmax`.",
            _code(weigh=lambda logits: logits.exp() / logits.exp().sum(dim=2, keepdim=True)),
        ),
        Misconception(
            "a sign too many",
            "tau holds the minus already: a negative one makes near codewords count more. Yours "
            "prefers the farthest.",
            _code(logits=lambda tau, away: -tau * away),
        ),
        Misconception(
            "a distance that is not squared",
            "(2) takes the squared distance, without a root.",
            _code(distance=lambda u, d: _distances(u, d).clamp(min=1e-12).sqrt()),
        ),
        Misconception(
            "features in place of residuals",
            "You add up features. (3) adds up what they differ by from the codeword.",
            _code(gather=lambda a, u, d: a.mT @ u),
        ),
        Misconception(
            "a codeword that is taken away once",
            "Each feature brings its own -aᵢₖ dₖ: together Σᵢ aᵢₖ times the codeword, not once.",
            _code(gather=lambda a, u, d: a.mT @ u - d),
        ),
        Misconception(
            "a mean in place of the sum",
            "(3) is a sum over positions. Dividing by n is a repair that comes later.",
            _code(gather=lambda a, u, d: _residuals_of(a, u, d) / u.shape[1]),
        ),
        Misconception(
            "a mean of the codeword's own pixels",
            "You divide by Σᵢ aᵢₖ. (3) does not.",
            _code(gather=lambda a, u, d: _residuals_of(a, u, d) / a.sum(dim=1)[:, :, None]),
        ),
        Misconception(
            "hard assignments",
            "Each pixel goes to one codeword in yours. (2) shares it out, and so has a gradient.",
            _code(weigh=_hard),
        ),
        Misconception(
            "a lost 2",
            "Expand the square: the product of feature and codeword stands in it twice.",
            _code(distance=lambda u, d: _distances(u, d) + u @ d.mT),
        ),
        Misconception(
            "shares that are all alike",
            "The smoothing factors are left out: every codeword gets 1/k of every pixel.",
            _code(logits=lambda tau, away: 0 * tau * away),
        ),
    ),
)

# 2. The way back -------------------------------------------------------------------------


def _slopes(b: int, n: int, k: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        given = _codebook(b, n, k, c)(generator)
        return given | {"g": torch.randn(b, k, c, generator=generator, dtype=torch.float64)}

    return draw


@recipe
def _back(
    *,
    jacobian: Callable[[Tensor, Tensor], Tensor] = lambda a, h: (
        a * (h - (a * h).sum(dim=2, keepdim=True))
    ),
    two: float = 2.0,
    direct: float = 1.0,
    share: float = 1.0,
    sign: float = -1.0,
    finish: Step = lambda p: p.sum(dim=(0, 1)),
) -> Function:
    """Equations (9) and (11) for the codewords, with one step changed by each argument."""

    def way_back(u: Tensor, d: Tensor, tau: Tensor, g: Tensor) -> Tensor:
        r = u[:, :, None] - d
        a = (tau * r.square().sum(dim=3)).softmax(dim=2)
        q = jacobian(a, (r * g[:, None]).sum(dim=3))
        p = direct * a[..., None] * g[:, None] + share * two * (tau * q)[..., None] * r
        return sign * finish(p)

    return way_back


WAY_BACK = FunctionExercise(
    chapter=CHAPTER,
    name="way_back",
    title="Derive the way back to the codewords",
    level=3,
    task="Write `to_codewords(u, d, tau, g)`: from u, (b, n, c), d, (k, c), tau, (k,), and "
    "g = ∂L/∂e, (b, k, c), to ∂L/∂d, (k, c), without autograd. You may build the residuals.",
    hints=(
        "A codeword stands in (3) twice: in the residual, and in the shares. Write one term for "
        "each.",
        "∂L/∂aᵢₖ is hᵢₖ = ⟨gₖ, uᵢ - dₖ⟩, and a softmax brings it back to qᵢₖ by (9).",
        "The logit τₖ‖uᵢ - dₖ‖² has the slope -2 τₖ (uᵢ - dₖ) in dₖ. Add up over positions and "
        "images.",
    ),
    explanation="A codeword is moved by the pixels that it has, and by what it would mean to have "
    "more or less of them.",
    reference=lambda u, d, tau, g: encode_gradients(u, d, tau, g)[1],
    alternatives=(
        _back(),
        lambda u, d, tau, g: _back(sign=1.0, finish=lambda p: -p.sum(dim=1).sum(dim=0))(
            u, d, tau, g
        ),
    ),
    cases=(
        Case("plain", _slopes(2, 6, 3, 4)),
        Case("one image, one codeword", _slopes(1, 5, 1, 3)),
        Case("more codewords than pixels", _slopes(3, 2, 4, 2)),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "shares that are held fixed",
            "This is the gradient through the residual alone. Moving a codeword also changes "
            "which pixels it has.",
            _back(share=0.0),
        ),
        Misconception(
            "residuals that are held fixed",
            "This is the gradient through the shares alone; the codeword also stands in uᵢ - dₖ.",
            _back(direct=0.0),
        ),
        Misconception(
            "a softmax without its second term",
            "When one share grows the others shrink: qᵢₖ = aᵢₖ (hᵢₖ - Σⱼ aᵢⱼ hᵢⱼ).",
            _back(jacobian=lambda a, h: a * h),
        ),
        Misconception(
            "a sum over pixels inside the softmax",
            "The shares of one pixel add up to 1, so the sum in qᵢₖ runs over the codewords.",
            _back(jacobian=lambda a, h: a * (h - (a * h).sum(dim=1, keepdim=True))),
        ),
        Misconception(
            "a lost 2",
            "A square has the slope 2: the logit changes by -2 τₖ (uᵢ - dₖ).",
            _back(two=1.0),
        ),
        Misconception(
            "terms of opposite sign",
            "dₖ stands with a minus in the residual, and a minus comes out of the square as well: "
            "both terms have the same sign.",
            _back(share=-1.0),
            (_back(direct=-1.0),),
        ),
        Misconception(
            "a mean over images",
            "All images share the codewords: their gradients add up.",
            _back(finish=lambda p: p.sum(dim=1).mean(dim=0)),
        ),
    ),
)
