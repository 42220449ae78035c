"""Exercises on Gather-Excite that ask for a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.gather_excite import gather_mean, spread
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "channel/gather_excite"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]

# 1. The gate without parameters ----------------------------------------------------------


def _maps(b: int, c: int, h: int, w: int, e: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"x": randn(b, c, h, w) + randn(b, c, 1, 1), "e": e}

    return draw


def _up(s: Tensor, x: Tensor) -> Tensor:
    return spread(s, x.shape[2:])


@recipe
def _gated(
    *,
    gather: Callable[[Tensor, int], Tensor] = gather_mean,
    squash: Callable[[Tensor], Tensor] = torch.sigmoid,
    up: Callable[[Tensor, Tensor], Tensor] = _up,
    apply: Callable[[Tensor, Tensor], Tensor] = torch.mul,
) -> Function:
    """Equations (1) to (3), with one step changed by each argument."""

    def gated(x: Tensor, e: int) -> Tensor:
        return apply(up(squash(gather(x, e)), x), x)

    return gated


def _in_rows(x: Tensor, e: int) -> Tensor:
    """The same by sums over windows, divided by how many positions each holds."""
    wide = 2 * e - 1
    total = F.avg_pool2d(x, wide, e, e - 1) * wide**2
    count = F.avg_pool2d(torch.ones_like(x), wide, e, e - 1) * wide**2
    return x * torch.sigmoid(_up(total / count, x))


def _repeated(s: Tensor, x: Tensor) -> Tensor:
    """Every gate e times in a row, the last one as often as there is room."""
    (h, w), (rows, columns) = x.shape[2:], s.shape[2:]
    i, j = torch.arange(h) // -(-h // rows), torch.arange(w) // -(-w // columns)
    return s[:, :, i][..., j]


def _cells(x: Tensor, e: int) -> Tensor:
    return F.avg_pool2d(x, e, e, ceil_mode=True)


def _with_zeros(x: Tensor, e: int) -> Tensor:
    return F.avg_pool2d(x, 2 * e - 1, e, e - 1)


GATED = FunctionExercise(
    chapter=CHAPTER,
    name="gated",
    title="Write the gate without parameters",
    level=1,
    task="Write `gated(x, e)`: from x, (b, c, h, w), and the extent e, a whole number, to y of "
    "equations (1) to (3), (b, c, h, w). Windows hold 2e - 1 positions a side, one every e, and "
    "only positions inside the map enter a mean.",
    hints=(
        "`F.avg_pool2d` takes a window, a stride and a padding. Which padding lets the first "
        "window be centred on the first position?",
        "The padding is e - 1, and `count_include_pad=False` leaves what hangs over out.",
        "`F.interpolate(s, size=x.shape[2:], mode='nearest')` gives every position its gate.",
    ),
    explanation="Nothing is learned, and at e = 1 nothing is gathered either: x σ(x) is SiLU.",
    reference=_gated(),
    alternatives=(_in_rows,),
    cases=(
        Case("two by two", _maps(2, 3, 6, 4, 2)),
        Case("a side that e does not divide", _maps(1, 2, 7, 5, 3)),
        Case("nothing gathered", _maps(2, 2, 3, 4, 1)),
        Case("one cell for the whole map", _maps(2, 3, 3, 4, 4)),
    ),
    properties=(
        Property("no value grows", lambda given, y: bool((y.abs() <= given["x"].abs()).all())),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "zeros that count",
            "Windows at the border hang over it, and you divide by all (2e - 1)² positions. "
            "Divide by those inside: count_include_pad=False.",
            _gated(gather=_with_zeros),
        ),
        Misconception(
            "windows as small as cells",
            "You average each cell by itself. The window of (1) is wider, 2e - 1 a side, so that "
            "neighbours overlap.",
            _gated(gather=_cells),
        ),
        Misconception(
            "the whole map",
            "That is the global form. With an extent e every cell has a gate of its own.",
            _gated(gather=lambda x, e: x.mean(dim=(2, 3), keepdim=True)),
        ),
        Misconception(
            "a missing sigmoid",
            "The means themselves multiply x. A gate is the sigmoid of a mean.",
            _gated(squash=lambda z: z),
        ),
        Misconception(
            "the gates alone",
            "These are the gates at every position. Multiply x by them.",
            _gated(apply=lambda s, x: s),
        ),
        Misconception(
            "smooth gates",
            "You spread the gates bilinearly. Here all positions of a cell share one gate.",
            _gated(up=lambda s, x: F.interpolate(s, size=x.shape[2:], mode="bilinear")),
        ),
        Misconception(
            "gates that repeat e times",
            "Position i gets gate i // e in yours. By (3) it gets gate i P // h, as nearest "
            "neighbours do; the two differ where e does not divide a side.",
            _gated(up=_repeated),
        ),
        Misconception(
            "x added",
            "You add x to the product. Then no gate can suppress: the factor lies above 1.",
            _gated(apply=lambda s, x: x + s * x),
        ),
        Misconception(
            "a maximum in place of the mean",
            "Equation (1) is a mean over the window.",
            _gated(
                gather=lambda x, e: F.max_pool2d(F.pad(x, (e - 1,) * 4, value=-1e9), 2 * e - 1, e)
            ),
        ),
    ),
)

# 2. The way back through excite ----------------------------------------------------------


def _slopes(b: int, c: int, h: int, w: int, rows: int, columns: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"x": randn(b, c, h, w), "d": randn(b, c, h, w), "P": rows, "Q": columns}

    return draw


def _by_autograd(x: Tensor, d: Tensor, P: int, Q: int) -> Tensor:
    """The gradient that autograd finds for equation (3): no derivation enters."""
    with torch.enable_grad():
        s = x.new_zeros(*x.shape[:2], P, Q, requires_grad=True)
        y = spread(s, x.shape[2:]) * x.detach()
        return torch.autograd.grad(y, s, d.detach())[0]


def _share(size: int, cells: int, like: Tensor) -> Tensor:
    """(cells, size): which positions belong to which cell."""
    return F.one_hot(torch.arange(size) * cells // size, cells).T.to(like)


@recipe
def _back(
    *,
    product: Callable[[Tensor, Tensor], Tensor] = torch.mul,
    rows: Callable[[int, int, Tensor], Tensor] = _share,
    columns: Callable[[int, int, Tensor], Tensor] = _share,
    after: Callable[[Tensor], Tensor] = lambda t: t,
) -> Function:
    """Sums over cells as two products with matrices of ones and zeros."""

    def gate_gradient(x: Tensor, d: Tensor, P: int, Q: int) -> Tensor:
        t = product(x, d)
        down, across = rows(t.shape[2], P, t), columns(t.shape[3], Q, t)
        return after(torch.einsum("bchw,ph,qw->bcpq", t, down, across))

    return gate_gradient


def _even(size: int, cells: int, like: Tensor) -> Tensor:
    """Means in place of sums: each row adds up to one."""
    share = _share(size, cells, like)
    return share / share.sum(dim=1, keepdim=True)


def _first(size: int, cells: int, like: Tensor) -> Tensor:
    """The first position of each cell only."""
    share = _share(size, cells, like)
    return share * (share.cumsum(dim=1) == 1)


GATE_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="gate_gradient",
    title="Derive the gradient of the gates",
    level=3,
    task="Write `gate_gradient(x, d, P, Q)`: from x and d = ∂L/∂y, both (b, c, h, w), to ∂L/∂s for "
    "the P by Q gates of equation (3), (b, c, P, Q). P need not divide h.",
    hints=(
        "At how many positions does one gate act, and what does it multiply there?",
        "Its gradient is Σ d x over the positions of its cell.",
        "Position i belongs to row i P // h of cells. Loop over the positions and add up, or write "
        "two matrices of ones and zeros.",
    ),
    explanation="To copy forward is to add up backward. A gate of a large cell hears from many "
    "positions, and what pulls it up and down there cancels.",
    reference=_by_autograd,
    alternatives=(_back(),),
    cases=(
        Case("two by two", _slopes(2, 3, 4, 6, 2, 3)),
        Case("sides that do not divide", _slopes(1, 2, 7, 5, 3, 2)),
        Case("one gate for the map", _slopes(2, 2, 3, 4, 1, 1)),
        Case("a gate for each position", _slopes(2, 2, 3, 4, 3, 4)),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "a mean over the cell",
            "One gate acts at every position of its cell, and what they ask of it adds up.",
            _back(rows=_even, columns=_even),
        ),
        Misconception(
            "x left out",
            "The gate multiplies x, so x is its slope at each position: add up d times x.",
            _back(product=lambda x, d: d),
        ),
        Misconception(
            "d left out",
            "You add up x. By the chain rule each position counts with d = ∂L/∂y there.",
            _back(product=lambda x, d: x),
        ),
        Misconception(
            "one position of each cell",
            "You take the first position of each cell. The gate acts at all of them.",
            _back(rows=_first, columns=_first),
        ),
        Misconception(
            "the first image only",
            "Each image has gates of its own: keep the axis of the batch.",
            _back(after=lambda t: t[:1].expand_as(t)),
        ),
        Misconception(
            "summed over the batch",
            "Gates are no weights: each image has its own, and nothing is added over images.",
            _back(after=lambda t: t.sum(dim=0, keepdim=True).expand_as(t)),
        ),
    ),
)
