"""An exercise on cost that asks for a function: a softmax that never sees all of its scores."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.closing.cost.code import CHAPTER, Draw, Function
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe


def _tokens(n: int, m: int, d: int, c: int, size: int, scale: float = 1.5, order: str = "") -> Draw:
    """Draws n queries, m keys and their values; an ``order`` makes d = 1 and sorts the scores."""

    def draw(generator: torch.Generator) -> dict[str, Tensor | float | int]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        q, k, v = scale * randn(n, d), randn(m, d), randn(m, c)
        if order:
            q, k = q.abs() + scale, k.sort(dim=0, descending=order == "falling").values
        return {"q": q, "k": k, "v": v, "size": size}

    return draw


@recipe
def _online(
    scaled: Callable[[Tensor, Tensor], Tensor] = lambda old, new: (old - new).exp(),
    top: Callable[[Tensor, Tensor], Tensor] = torch.maximum,
    of_sum: bool = True,
    of_read: bool = True,
    divide: bool = True,
    tail: bool = True,
) -> Function:
    """The running softmax, with one step changed by each argument."""

    def online(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
        most = q.new_full((len(q), 1), float("-inf"))
        total, read = q.new_zeros(len(q), 1), q.new_zeros(len(q), v.shape[1])
        ends = len(k) if tail else max(size, len(k) // size * size)
        for start in range(0, ends, size):
            scores = q @ k[start : start + size].T
            new = top(most, scores.amax(dim=1, keepdim=True))
            factor, weights = scaled(most, new), (scores - new).exp()
            total = total * (factor if of_sum else 1) + weights.sum(dim=1, keepdim=True)
            read = read * (factor if of_read else 1) + weights @ v[start : start + size]
            most = new
        return read / total if divide else read

    return online


def _parts(q: Tensor, k: Tensor, v: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Scores and values, block by block."""
    return [(q @ a.T, b) for a, b in zip(k.split(size), v.split(size), strict=True)]


def _mean_of_blocks(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
    return torch.stack([s.softmax(1) @ b for s, b in _parts(q, k, v, size)]).mean(0)


def _sum_of_blocks(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
    return torch.stack([s.softmax(1) @ b for s, b in _parts(q, k, v, size)]).sum(0)


def _unsafe(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
    """Exponentials as they are."""
    parts = [(s.exp(), b) for s, b in _parts(q, k, v, size)]
    read = torch.stack([e @ b for e, b in parts]).sum(0)
    return read / torch.stack([e.sum(1, keepdim=True) for e, _ in parts]).sum(0)


def _merged(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
    """The same by logarithms of sums: blocks are weighed by their share of the whole."""
    reads, sums = [], []
    for s, b in _parts(q, k, v, size):
        reads.append(s.softmax(1) @ b)
        sums.append(s.logsumexp(1, keepdim=True))
    shares = torch.stack(sums).softmax(0)
    read = torch.zeros_like(reads[0])
    for share, part in zip(shares, reads, strict=True):
        read = read + share * part
    return read


ONLINE = FunctionExercise(
    chapter=CHAPTER,
    name="online_softmax",
    title="A softmax that never sees all of its scores",
    level=3,
    task="Write `in_blocks(q, k, v, size)`: softmax(Q Kᵀ) V for q, (n, d), k, (m, d), and v, "
    "(m, c), in blocks of at most `size` keys, so that no tensor on the way has m numbers or more; "
    "the check looks. Scores may be in the thousands.",
    hints=(
        "Keep three things for each query from block to block: the largest score so far, the sum "
        "of exponentials, and the weighted sum of values.",
        "Both sums are relative to the largest score so far. What has to be done to them when a "
        "block brings a larger one?",
        "Multiply both by exp(old maximum - new maximum), then add the block's own sums.",
        "Start with the maximum -inf: its factor is exp(-inf) = 0. Divide once, at the end.",
    ),
    explanation="Fused attention runs this loop inside one kernel. It holds two numbers and c sums "
    "for a query, and the map of all pairs is never written.",
    reference=_online(),
    alternatives=(_merged,),
    most=lambda given: len(given["k"]) - 1,
    cases=(
        Case("many keys", _tokens(4, 160, 3, 3, 16)),
        Case("blocks of four", _tokens(20, 24, 3, 3, 4)),
        Case("a short last block", _tokens(5, 11, 2, 4, 4)),
        Case("the largest score comes last", _tokens(4, 9, 1, 2, 3, order="rising")),
        Case("scores in the thousands", _tokens(4, 12, 1, 3, 5, scale=2000.0, order="rising")),
        Case(
            "thousands, the largest first",
            _tokens(3, 12, 1, 2, 4, scale=2000.0, order="falling"),
        ),
        Case("one block", _tokens(3, 5, 2, 3, 8)),
    ),
    properties=(
        Property(
            "the result lies between the smallest and the largest value of each channel",
            lambda given, y: bool(
                (y <= given["v"].amax(0) + 1e-9).all() and (y >= given["v"].amin(0) - 1e-9).all()
            ),
        ),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        Misconception(
            "sums that are never rescaled",
            "When the maximum rises, both sums so far are relative to the old one: multiply them "
            "by exp(old - new).",
            _online(of_sum=False, of_read=False),
        ),
        Misconception(
            "a weighted sum that is not rescaled",
            "The sum of exponentials is right. The weighted sum of values needs the same factor.",
            _online(of_read=False),
        ),
        Misconception(
            "a sum of exponentials that is not rescaled",
            "The weighted sum is right. The sum that divides it needs the same factor.",
            _online(of_sum=False),
        ),
        Misconception(
            "a factor upside down",
            "The maximum rises, so the old sums shrink: exp(old - new) is at most 1.",
            _online(scaled=lambda old, new: torch.where(old.isinf(), 0.0, (new - old).exp())),
        ),
        Misconception(
            "exponentials of scores from which nothing was subtracted",
            "exp(1000) is infinite. Subtract the largest score so far.",
            _unsafe,
        ),
        Misconception(
            "the block's own maximum",
            "Your maximum may fall from block to block: then the old sums grow and can overflow. "
            "Keep the larger of both.",
            _online(top=lambda old, part: part),
        ),
        Misconception(
            "a mean of the blocks' results",
            "Each block's softmax adds up to one by itself. A block with larger scores must weigh "
            "more.",
            _mean_of_blocks,
        ),
        Misconception(
            "a sum of the blocks' results",
            "Each block's softmax adds up to one by itself, and all of them together must.",
            _sum_of_blocks,
        ),
        Misconception(
            "a forgotten division",
            "Divide by the sum of exponentials, once, at the end.",
            _online(divide=False),
        ),
        Misconception(
            "a lost last block",
            "n need not be a multiple of the size: the last block may be shorter.",
            _online(tail=False),
        ),
    ),
)
