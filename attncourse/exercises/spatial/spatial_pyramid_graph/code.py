"""Exercises on graph reasoning that ask for a function: the operator, and a line by counting."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.tasks.kindred_blobs import ATTRIBUTE_NOISE, VARIANCE

CHAPTER = "spatial/spatial_pyramid_graph"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]

# 1. The operator without its matrix --------------------------------------------------------


def _graph(b: int, m: int, c: int, n: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def rand(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, dtype=torch.float64) + 0.05

        x = torch.randn(b, c, n, generator=generator, dtype=torch.float64)
        return {"phi": rand(b, m, n), "lam": rand(b, m), "x": x}

    return draw


def _degrees(phi: Tensor, lam: Tensor) -> Tensor:
    return torch.einsum("bmn,bm->bn", phi, lam * phi.sum(dim=2))


def _rooted(phi: Tensor, degrees: Tensor) -> Tensor:
    return phi / degrees[:, None].sqrt()


@recipe
def _operator(
    *,
    degrees: Callable[[Tensor, Tensor], Tensor] = _degrees,
    divide: Callable[[Tensor, Tensor], Tensor] = _rooted,
    inside: Callable[[Tensor], Tensor] = lambda lam: lam,
    finish: Callable[[Tensor, Tensor], Tensor] = lambda x, common: x - common,
) -> Function:
    """Equation (6) with the degrees of (7), with one step changed by each argument."""

    def operator(phi: Tensor, lam: Tensor, x: Tensor) -> Tensor:
        p = divide(phi, degrees(phi, lam))
        common = ((x @ p.mT) * inside(lam)[:, None]) @ p
        return finish(x, common)

    return operator


def _degrees_of_others(phi: Tensor, lam: Tensor) -> Tensor:
    """Degrees that leave out the edge of a position to itself."""
    return _degrees(phi, lam) - torch.einsum("bmn,bm->bn", phi.square(), lam)


def _no_edge_to_oneself(phi: Tensor, lam: Tensor, x: Tensor) -> Tensor:
    """The same, and the edge is missing in A, too."""
    a = torch.einsum("bmi,bm,bmj->bij", phi, lam, phi)
    a = a - torch.diag_embed(a.diagonal(dim1=1, dim2=2))
    root = a.sum(dim=2).rsqrt()
    return x - x @ (root[:, :, None] * a * root[:, None])


def _unbalanced(phi: Tensor, lam: Tensor, x: Tensor) -> Tensor:
    """The product of x and D - A."""
    return x * _degrees(phi, lam)[:, None] - ((x @ phi.mT) * lam[:, None]) @ phi


def _by_rows(phi: Tensor, lam: Tensor, x: Tensor) -> Tensor:
    a = torch.einsum("bmi,bm,bmj->bij", phi, lam, phi)
    return x - torch.einsum("bij,bcj->bci", a / a.sum(dim=2, keepdim=True), x)


APPLY_L = FunctionExercise(
    chapter=CHAPTER,
    name="apply_laplacian",
    title="Write L without writing it out",
    level=2,
    task="Write `apply_laplacian(phi, lam, x)`: non-negative features (b, m, n), the diagonal "
    "(b, m) and x, (b, c, n), to x L, (b, c, n), equations (6) and (7), without an epsilon. Hold "
    "no map of n x n numbers.",
    hints=(
        "The degree of a position is its phi, times lambda, times the sum of all phi: "
        "`(lam * phi.sum(dim=2))[:, None] @ phi` has the shape (b, 1, n).",
        "`p = phi / degrees.sqrt()` has the root of the degree inside.",
        "x times p transposed is (b, c, m): multiply by lambda along m, then by p.",
        "What comes out is x S. The result is x less this.",
    ),
    explanation="Two products with c x m numbers in between. The brackets alone decide whether n x "
    "n numbers are ever held.",
    reference=_operator(),
    # Refused are all n x n numbers, of one image as well; b x c x m x n of an einsum are fewer.
    most=lambda given: given["x"].shape[2] ** 2 - 1,
    cases=(
        Case("plain", _graph(2, 3, 4, 30)),
        Case("one image", _graph(1, 4, 2, 9)),
        Case("as many features as positions", _graph(2, 5, 3, 5)),
        Case("one position", _graph(2, 3, 2, 1)),
    ),
    properties=(
        Property(
            "L is symmetric, so that products with two vectors may be exchanged",
            lambda given, y: bool((y @ given["x"].mT - given["x"] @ y.mT).abs().max() < 1e-5),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "S in place of L",
            "This is x S, what a position has in common with its neighbours. L takes it away: x "
            "less this.",
            _operator(finish=lambda x, common: common),
        ),
        Misconception(
            "a plus sign",
            "You add what is common. L = I - S subtracts it.",
            _operator(finish=lambda x, common: x + common),
        ),
        Misconception(
            "no degrees",
            "A is used as it is. Divide by the root of both degrees, or positions with many "
            "neighbours drown the others.",
            _operator(divide=lambda phi, d: phi),
        ),
        Misconception(
            "degrees without a root",
            "Each side is divided by the whole degree. Each takes its root, so that both together "
            "divide by the degree once.",
            _operator(divide=lambda phi, d: phi / d[:, None]),
        ),
        Misconception(
            "normalised by rows",
            "Your rows add up to 1, which is no longer symmetric. Divide by the roots of both "
            "degrees, of the one who reads and of the one who is read.",
            _by_rows,
        ),
        Misconception(
            "degrees without lambda",
            "The degrees are row sums of A, and A has lambda inside.",
            _operator(degrees=lambda phi, lam: _degrees(phi, torch.ones_like(lam))),
        ),
        Misconception(
            "lambda left out",
            "Lambda is in your degrees and not in the product itself.",
            _operator(inside=torch.ones_like),
        ),
        Misconception(
            "lambda on both sides",
            "Lambda stands once between the two phi. Yours is squared.",
            _operator(inside=torch.square, degrees=lambda phi, lam: _degrees(phi, lam.square())),
            also=(_operator(inside=torch.square),),
        ),
        Misconception(
            "a graph without edges to oneself",
            "A position has an edge to itself as well, the square of its features: it belongs to "
            "A and to the degree.",
            _operator(degrees=_degrees_of_others),
            also=(_no_edge_to_oneself,),
        ),
        Misconception(
            "D - A in place of I - S",
            "This is x (D - A), the Laplacian without balanced degrees. Equation (4) divides the "
            "edges by the roots of both degrees, and takes them from I.",
            _unbalanced,
        ),
        Misconception(
            "an epsilon",
            "To six digits this is right. You add an epsilon to the degrees, as the page's own "
            "function does; here the task wants them without it.",
            _operator(degrees=lambda phi, lam: _degrees(phi, lam) + 1e-6),
            also=(
                _operator(divide=lambda phi, d: phi / (d.sqrt() + 1e-6)[:, None]),
                _operator(degrees=lambda phi, lam: _degrees(phi, lam) + 1e-5),
            ),
        ),
    ),
)

# 2. A line by counting -----------------------------------------------------------------------

RATIO = ATTRIBUTE_NOISE**2 / VARIANCE


def _kinds(b: int, h: int, w: int, kinds: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        coarse = torch.rand(b, kinds, h, w, generator=generator, dtype=torch.float64)
        tilt = torch.rand(b, kinds, 1, 1, generator=generator, dtype=torch.float64)
        return {"kind": (coarse + tilt).argmax(dim=1)}

    return draw


def _counts(kind: Tensor) -> Tensor:
    """Pixels of each kind, (b, kinds)."""
    return F.one_hot(kind.flatten(1)).to(torch.float64).sum(dim=1)


def _of(n: Tensor, ratio: float = RATIO) -> Tensor:
    return 1 / (1 + ratio / n)


def _line(kind: Tensor) -> Tensor:
    n = _counts(kind)
    share = n / n.sum(dim=1, keepdim=True)
    return (share * _of(n.clamp(min=1))).sum(dim=1).mean()


def _over_kinds(kind: Tensor) -> Tensor:
    n = _counts(kind)
    return _of(n[n > 0]).mean()


def _over_kinds_by_image(kind: Tensor) -> Tensor:
    """Kinds that an image has count alike, and images count alike."""
    return torch.stack([_of(n[n > 0]).mean() for n in _counts(kind)]).mean()


def _of_the_mean_count(kind: Tensor) -> Tensor:
    n = _counts(kind)
    return _of((n * n).sum() / n.sum())


def _with(ratio: float) -> Function:
    def line(kind: Tensor) -> Tensor:
        n = _counts(kind)
        share = n / n.sum(dim=1, keepdim=True)
        return (share * _of(n.clamp(min=1), ratio)).sum(dim=1).mean()

    return line


def _shares_squared(kind: Tensor) -> Tensor:
    n = _counts(kind)
    return (n / n.sum(dim=1, keepdim=True)).square().sum(dim=1).mean()


def _without_oneself(kind: Tensor) -> Tensor:
    n = _counts(kind)
    share = n / n.sum(dim=1, keepdim=True)
    return (share * (n - 1).clamp(min=0) / ((n - 1).clamp(min=0) + RATIO)).sum(dim=1).mean()


KIND_LINE = FunctionExercise(
    chapter=CHAPTER,
    name="kind_line",
    title="Derive: a line by counting",
    level=2,
    task="`kind` holds the kind of every pixel, (b, h, w), whole numbers from 0. Every pixel is "
    "asked for its kind's attribute, of variance 1/3; it is seen with noise of variance 2.25. "
    "Write `kind_line(kind)`: the share of the variance that the mean over all pixels of one's "
    "kind explains, equation (9), as the mean over all pixels of all images, one number.",
    hints=(
        "For one pixel it is (1/3) / (1/3 + 2.25 / n), where n counts the pixels of its kind in "
        "its own image, itself among them.",
        "`F.one_hot(kind.flatten(1))` has the shape (b, h w, kinds). Its sum over axis 1 are the "
        "counts of an image.",
        "Large kinds have more pixels, and each of them counts: `counts.gather(1, "
        "kind.flatten(1))` gives every pixel its n.",
        "`n = counts.gather(1, kind.flatten(1)).double()`, then `(1/3 / (1/3 + 2.25 / n)).mean()`.",
    ),
    explanation="Every pixel brings its own n; the mean comes last. The mean of a bent function is "
    "not the function of the mean.",
    # A plain number, so that it may come in any type of floating-point numbers.
    reference=lambda kind: float(_line(kind)),
    cases=(
        Case("three kinds", _kinds(3, 5, 6, 3)),
        Case("many kinds, few pixels", _kinds(2, 4, 4, 6)),
        Case("one image", _kinds(1, 6, 5, 4)),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=0.0),
    misconceptions=(
        Misconception(
            "kinds that count alike",
            "You average over kinds. It is pixels that are asked: a kind with many of them counts "
            "as often.",
            _over_kinds,
            also=(_over_kinds_by_image,),
        ),
        Misconception(
            "the mean count put in",
            "You put the mean of n into the formula. The formula is bent: compute it for every "
            "pixel first, and average then.",
            _of_the_mean_count,
        ),
        Misconception(
            "a spread in place of a variance",
            "The noise has a variance of 2.25; 1.5 is its spread.",
            _with(ATTRIBUTE_NOISE / VARIANCE),
        ),
        Misconception(
            "noise that is not averaged",
            "The mean of n pixels has a variance of 2.25 / n. Yours keeps all of it.",
            lambda kind: _of(torch.ones((), dtype=torch.float64)) + 0 * _counts(kind).sum(),
        ),
        Misconception(
            "one answer for all",
            "This is what one answer for all pixels explains, the sum of squared shares.",
            _shares_squared,
        ),
        Misconception(
            "without the pixel itself",
            "A pixel sees itself as well: it is one of the n.",
            _without_oneself,
        ),
    ),
)
