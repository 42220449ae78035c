"""What a block is blind to: change its input, and see whether its decision or its output notices.

A block with the decision g and the output y, and a change T of its input, are one of three:

- *blind*: g(T x) = g(x).  The decision does not know that anything happened.
- *follows*: the decision changes, and y(T x) = T y(x).  The block does the same to the changed map.
- *sees*: neither.

All blocks are opened first, with weights at random, in float64 and evaluation, and without the
small constants beside divisors.

A gate of channels that is blind to moved pixels makes a block that follows.  For other changes this
need not be: where the decision ends and what is decided about begins is then half of the answer,
and :func:`mark` tells both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from attncourse.attention import Attention

BLIND, FOLLOWS, SEES = "blind", "follows", "sees"
#: A change below one part in a million is rounding.
NOTHING = 1e-6
SIDE = 7


@dataclass(frozen=True)
class Change:
    """Something done to maps.

    Attributes:
        name: short, as tables have it.
        apply: (b, c, h, w) -> the same shape.
    """

    name: str
    apply: Callable[[Tensor], Tensor]


def shuffled(x: Tensor, seed: int = 0) -> Tensor:
    """The pixels of every image in one random order; each keeps its channels."""
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator("cpu").manual_seed(seed))
    return x.flatten(2)[..., order].view_as(x)


def rows_swapped(x: Tensor) -> Tensor:
    """The first two rows of the map change places."""
    return x[:, :, [1, 0, *range(2, x.shape[2])]]


def renamed(x: Tensor) -> Tensor:
    """The channels in one random order, in which most have other neighbours."""
    order = torch.randperm(x.shape[1], generator=torch.Generator("cpu").manual_seed(0))
    return x[:, order]


CHANGES = (
    Change("shuffle pixels", shuffled),
    Change("swap two rows", rows_swapped),
    Change("mirror", lambda x: x.flip(3)),
    Change("rename channels", renamed),
    Change("double everything", lambda x: 2 * x),
    Change("add 1 everywhere", lambda x: x + 1),
)


def apart(after: Tensor, before: Tensor) -> float:
    """Largest difference of two tensors, in units of the spread of the second."""
    return float((after - before).abs().max() / before.std(correction=0).clamp(min=1e-12))


def defect(
    block: Callable[[Tensor], Tensor], change: Callable[[Tensor], Tensor], x: Tensor
) -> float:
    """How far ``block(change(x))`` is from ``change(block(x))``: 0 for a block that follows.

    Args:
        block: (b, c, h, w) -> the same shape.
        change: likewise.
        x: (b, c, h, w).

    Returns:
        the largest difference, in units of the output's spread.
    """
    with torch.no_grad():
        return apart(block(change(x)), change(block(x)))


def noticed(block: Attention, change: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """How far g(change(x)) is from g(x), in units of its spread; the largest of several parts."""
    with torch.no_grad():
        before, after = tree_leaves(block.g(x)), tree_leaves(block.g(change(x)))
    return max(apart(b, a) for a, b in zip(before, after, strict=True))


def word(block: nn.Module, change: Change, x: Tensor) -> str:
    """*blind*, *follows* or *sees*; a module without a decision is never blind."""
    if isinstance(block, Attention) and noticed(block, change.apply, x) < NOTHING:
        return BLIND
    return FOLLOWS if defect(block, change.apply, x) < NOTHING else SEES


def mark(block: nn.Module, change: Change, x: Tensor) -> str:
    """As :func:`word`, with a dagger where the decision is blind and the output does not follow."""
    found = word(block, change, x)
    if found == BLIND and defect(block, change.apply, x) >= NOTHING:
        return f"{BLIND} †"
    return found


def reached(block: nn.Module, x: Tensor) -> str:
    """Whether one corner pixel changes the output three rows and three columns away from it."""
    other = x.clone()
    other[:, :, 0, 0] += 1
    with torch.no_grad():
        moved = (block(other) - block(x))[:, :, 3:, 3:].abs().max()
    return SEES if float(moved) > NOTHING else BLIND


def maps(channels: int, seed: int = 1) -> Tensor:
    """Two random maps (2, channels, 7, 7) in float64, of a mean that is not zero."""
    generator = torch.Generator("cpu").manual_seed(seed)
    x = torch.randn(2, channels, SIDE, SIDE, generator=generator, dtype=torch.float64)
    return x + 0.5
