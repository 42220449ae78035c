"""Exercises on criss-cross attention that ask for a function: the weights, and a merge."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import adds_up
from attncourse.spatial.criss_cross import cross_map

CHAPTER = "spatial/criss_cross"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]
Step = Callable[[Tensor], Tensor]

# 1. The weights --------------------------------------------------------------------------


def _queries(b: int, h: int, w: int, d: int, scale: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        q, k = (torch.randn(b, h, w, d, generator=generator, dtype=torch.float64) for _ in range(2))
        return {"q": scale * q, "k": k}

    return draw


def _opposed(b: int, h: int, w: int, d: int) -> Draw:
    """Queries against all keys: a slot closed by a finite number is the largest of all."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        q, k = (torch.rand(b, h, w, d, generator=generator, dtype=torch.float64) for _ in range(2))
        return {"q": -1_000 * (1 + q), "k": 1 + k}

    return draw


def _eye(t: Tensor) -> Tensor:
    return torch.eye(t.shape[-1], dtype=torch.bool)


def _close_column(down: Tensor) -> Tensor:
    """-inf in the own slot of the column, (b, h, w, h)."""
    return down.masked_fill(_eye(down)[:, None], -torch.inf)


def _joint(down: Tensor, along: Tensor) -> Tensor:
    return torch.cat([down, along], dim=3).softmax(dim=3)


def _each(down: Tensor, along: Tensor) -> Tensor:
    """A softmax for each line; alone in its column with its slot closed, nobody has weights."""
    return torch.cat([down.softmax(dim=3), along.softmax(dim=3)], dim=3)


def _apart(down: Tensor, along: Tensor) -> Tensor:
    return torch.cat([down.softmax(dim=3).nan_to_num(), along.softmax(dim=3)], dim=3)


@recipe
def _weights(
    *,
    column: Step = _close_column,
    row: Step = lambda along: along,
    scale: Callable[[int], float] = lambda d: 1.0,
    weigh: Callable[[Tensor, Tensor], Tensor] = _joint,
    order: Step = lambda a: a,
    turn: Callable[[Tensor, int], Tensor] = lambda a, h: a,
) -> Function:
    """Equation (3), with one step changed by each argument."""

    def weights(q: Tensor, k: Tensor) -> Tensor:
        s = scale(q.shape[3])
        down = s * torch.einsum("bijd,bmjd->bijm", q, k)
        along = s * torch.einsum("bijd,bimd->bijm", q, k)
        a = turn(order(weigh(column(down), row(along))), q.shape[1])
        return a

    return weights


def _by_matmul(q: Tensor, k: Tensor) -> Tensor:
    return cross_map(q, k)


def _by_the_full_map(q: Tensor, k: Tensor) -> Tensor:
    """All pairs, masked, and the slots picked out of them."""
    _, h, w, _ = q.shape
    s = torch.einsum("bijd,bmnd->bijmn", q, k)
    i, j = torch.arange(h), torch.arange(w)
    down = s[:, :, j, :, j].permute(1, 2, 0, 3)  # b h w m
    along = s[:, i, :, i].transpose(0, 1)  # b h w n
    return _joint(_close_column(down), along)


def _swap(a: Tensor, h: int) -> Tensor:
    return torch.cat([a[..., h:], a[..., :h]], dim=3)


CROSS_WEIGHTS = FunctionExercise(
    chapter=CHAPTER,
    name="cross_weights",
    title="Write the weights",
    level=2,
    task="Write `cross_weights(q, k)`: from queries and keys (b, h, w, d) to the weights of "
    "equation (3), (b, h, w, h + w): first the h slots of the column, then the w slots of the row. "
    "The own slot of the column is exactly 0.",
    hints=(
        "A query at (i, j) meets the keys (m, j) of its column and the keys (i, m) of its row.",
        'Both are an `einsum`: `"bijd,bmjd->bijm"` for the column, `"bijd,bimd->bijm"` for the '
        "row.",
        "Slot m of the column is the position itself where m = i. Give it the logit -inf, with "
        "`masked_fill` and a mask of shape (h, 1, h).",
        "Then `torch.cat([column, row], dim=3).softmax(dim=3)`.",
    ),
    explanation="One unit of weight for column and row together, and one of the h + w slots is "
    "closed, so that nobody is counted twice.",
    reference=_weights(),
    alternatives=(_by_matmul, _by_the_full_map),
    cases=(
        Case("plain", _queries(2, 4, 3, 5)),
        Case("wide", _queries(1, 3, 6, 2)),
        Case("a single row", _queries(2, 1, 4, 3)),
        Case("a single column", _queries(2, 4, 1, 3)),
        Case("large values", _queries(1, 3, 4, 4, scale=300.0)),
        Case("logits far below zero", _opposed(2, 3, 4, 3)),
    ),
    properties=(adds_up("the weights of a position add up to 1", 3),),
    tolerance=Tolerance(relative=1e-6, absolute=1e-10),
    misconceptions=(
        Misconception(
            "oneself counted twice",
            "A position stands in its column and in its row. Close one of the two slots, the one "
            "in the column, with a logit of -inf.",
            _weights(column=lambda down: down),
        ),
        Misconception(
            "the other slot closed",
            "You closed the own slot of the row. Here the column's is the one that is closed; the "
            "row keeps it.",
            _weights(
                column=lambda down: down,
                row=lambda along: along.masked_fill(_eye(along), -torch.inf),
            ),
        ),
        Misconception(
            "two softmaxes",
            "Column and row have a softmax each, so that the weights of a position add up to 2. "
            "They share one.",
            _weights(weigh=_apart),
            (
                _weights(weigh=_each),
                _weights(weigh=_each, column=lambda down: down),
            ),
        ),
        Misconception(
            "the mean of two softmaxes",
            "Half of the weight is reserved for each line. In one softmax a line with better "
            "matches gets more.",
            _weights(weigh=lambda down, along: _apart(down, along) / 2),
            (
                _weights(weigh=lambda down, along: _each(down, along) / 2),
                _weights(
                    weigh=lambda down, along: _each(down, along) / 2, column=lambda down: down
                ),
            ),
        ),
        Misconception(
            "zero in place of minus infinity",
            "You set the own logit of the column to 0, and the softmax makes a weight of it. "
            "Only -inf gives 0.",
            _weights(column=lambda down: down.masked_fill(_eye(down)[:, None], 0.0)),
        ),
        Misconception(
            "scaled logits",
            "You divide by the root of d. Neither the paper nor its code does.",
            _weights(scale=lambda d: d**-0.5),
        ),
        Misconception(
            "the row first",
            "The first h slots are those of the column, the last w those of the row. You have them "
            "the other way round.",
            _weights(turn=_swap),
        ),
    ),
)

# 2. Two softmaxes made one ---------------------------------------------------------------


def _two_reads(b: int, h: int, w: int, c: int, loud: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {
            "y_row": randn(b, h, w, c), "l_row": loud * randn(b, h, w),
            "y_column": randn(b, h, w, c), "l_column": loud * randn(b, h, w),
        }  # fmt: skip

    return draw


@recipe
def _merge(
    *,
    share: Callable[[Tensor, Tensor], Tensor] = lambda r, c: (r - c).sigmoid(),
    rest: Callable[[Tensor], Tensor] = lambda s: 1 - s,
) -> Function:
    def merge(y_row: Tensor, l_row: Tensor, y_column: Tensor, l_column: Tensor) -> Tensor:
        s = share(l_row, l_column)[..., None]
        return s * y_row + rest(s) * y_column

    return merge


def _by_softmax(y_row: Tensor, l_row: Tensor, y_column: Tensor, l_column: Tensor) -> Tensor:
    shares = torch.stack([l_row, l_column], dim=-1).softmax(dim=-1)
    return torch.einsum("bhwp,bhwcp->bhwc", shares, torch.stack([y_row, y_column], dim=-1))


def _by_logaddexp(y_row: Tensor, l_row: Tensor, y_column: Tensor, l_column: Tensor) -> Tensor:
    both = torch.logaddexp(l_row, l_column)
    row, column = ((part - both).exp()[..., None] for part in (l_row, l_column))
    return row * y_row + column * y_column


MERGE = FunctionExercise(
    chapter=CHAPTER,
    name="merge",
    title="Derive: one softmax out of two",
    level=3,
    task="A fused kernel has read the row, and the column without the position itself, each with a "
    "softmax of its own: y_row and y_column, (b, h, w, c). It also gives the logarithm of the sum "
    "of exponentials of each, l_row and l_column, (b, h, w). Write `merge(y_row, l_row, y_column, "
    "l_column)`, which returns what one softmax over both would have read.",
    hints=(
        "Write Z_r for the sum of exponentials of the row and Z_c for that of the column. What is "
        "y_row times Z_r?",
        "It is the sum of exponential times value over the row. Add the column's, and divide by "
        "Z_r + Z_c.",
        "So y_row gets the share Z_r / (Z_r + Z_c), which is a sigmoid of l_row - l_column.",
        "`s = torch.sigmoid(l_row - l_column)[..., None]`, then `s * y_row + (1 - s) * y_column`.",
    ),
    explanation="The slots of a softmax can be split into parts in any way, as long as each part "
    "keeps the logarithm of its sum. Fused attention is built on this.",
    reference=_merge(),
    alternatives=(_by_softmax, _by_logaddexp),
    cases=(
        Case("plain", _two_reads(2, 3, 4, 5)),
        Case("one position", _two_reads(1, 1, 1, 2)),
        Case("large values", _two_reads(2, 2, 3, 3, loud=5000.0)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-10),
    misconceptions=(
        Misconception(
            "the plain mean",
            "You give each line half of the weight. The line with the larger sum of exponentials "
            "gets more.",
            _merge(share=lambda r, c: torch.full_like(r, 0.5)),
        ),
        Misconception(
            "the plain sum",
            "The two parts add up to weights of 2. Their shares must add up to 1.",
            _merge(share=lambda r, c: torch.ones_like(r), rest=torch.ones_like),
        ),
        Misconception(
            "shares exchanged",
            "The row gets the share of its own sum: sigmoid(l_row - l_column), not the opposite "
            "difference.",
            _merge(share=lambda r, c: (c - r).sigmoid()),
        ),
        Misconception(
            "logarithms taken for sums",
            "l is the logarithm of a sum of exponentials. The shares are those of the sums, not of "
            "their logarithms.",
            _merge(share=lambda r, c: r / (r + c)),
        ),
        Misconception(
            "the larger one alone",
            "You keep the line with the larger sum. The other one has its share, too.",
            _merge(share=lambda r, c: (r > c).to(r.dtype)),
        ),
    ),
)
