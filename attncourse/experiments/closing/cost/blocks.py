"""What is timed: a training step of every drop-in mechanism, and of two convolutions beside them.

A step runs a block forward, and back to its input and its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from attncourse.catalog import CARDS
from attncourse.closed_forms import values
from attncourse.measure import compare
from attncourse.roofline import Operator, Speeds, operators_of, speeds_of

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Block:
    """One kind of block, at any number of channels.

    Attributes:
        name: as figures and tables have it.
        build: channels -> the block, (b, c, h, w) to the same shape.
        multiply_adds: (channels, rows, columns) -> those of one image, forward, by its formula.
    """

    name: str
    build: Callable[[int], nn.Module]
    multiply_adds: Callable[[int, int, int], int]


def _convolution(channels: int, groups: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=groups)


def _of_card(stem: str) -> Block:
    (card,) = (c for c in CARDS if c.stem == stem)

    def multiply_adds(c: int, h: int, w: int) -> int:
        return values(card, {"C": c, "H": h, "W": w, "T": 1, "K": 1})["macs"]

    return Block(stem.replace("_", " "), card.module, multiply_adds)


#: The convolutions first, then the mechanisms in the order of the course.
BLOCKS: tuple[Block, ...] = (
    Block("convolution", lambda c: _convolution(c, 1), lambda c, h, w: 9 * c * c * h * w),
    Block("depthwise convolution", lambda c: _convolution(c, c), lambda c, h, w: 9 * c * h * w),
    *(_of_card(card.stem) for card in CARDS if card.drop_in),
)


@dataclass(frozen=True)
class Case:
    """A block at a size, with all that can be counted of its step without a clock.

    Attributes:
        block: its name.
        shape: of the input.
        multiply_adds: of the step, three times those of the forward pass by the card's formula.
        parameters: how many numbers it learns.
        through: bytes of input, output, parameters and their gradients, each once.
        operators: what ran, forward and back.
    """

    block: str
    shape: Shape
    multiply_adds: int
    parameters: int
    through: int
    operators: tuple[Operator, ...]

    @property
    def label(self) -> str:
        """Block and size in words."""
        b, c, h, w = self.shape
        return f"{self.block}, {b} x {c} x {h} x {w}"

    @property
    def products(self) -> float:
        """Multiply-adds in matrix products and convolutions, counted."""
        return sum(o.work.products for o in self.operators)

    @property
    def moved(self) -> float:
        """Bytes that all operators read and write."""
        return sum(o.work.bytes for o in self.operators)


def step_of(block: Block, shape: Shape, seed: int = 0) -> Callable[[], tuple[Tensor | None, ...]]:
    """A training step on random numbers: a function that gives all gradients."""
    torch.manual_seed(seed)
    module = block.build(shape[1])
    x = torch.randn(shape, requires_grad=True)
    wanted = [x, *module.parameters()]
    with torch.no_grad():
        direction = torch.randn_like(module(x))

    def step() -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(module(x), wanted, direction, allow_unused=True)

    return step


@cache
def cases(shapes: tuple[Shape, ...], blocks: tuple[Block, ...] = BLOCKS) -> tuple[Case, ...]:
    """Every block at every size, size by size."""
    return tuple(_case(block, shape) for shape in shapes for block in blocks)


def _case(block: Block, shape: Shape) -> Case:
    b, c, h, w = shape
    learned = sum(p.numel() for p in block.build(c).parameters())
    size = torch.tensor([], dtype=torch.float32).element_size()
    return Case(
        block=block.name,
        shape=shape,
        multiply_adds=3 * b * block.multiply_adds(c, h, w),
        parameters=learned,
        through=size * (4 * b * c * h * w + 2 * learned),
        operators=tuple(operators_of(step_of(block, shape))),
    )


@dataclass(frozen=True)
class Times:
    """What one process measured.

    Attributes:
        speeds: of the machine, in the same process.
        seconds: of a step of each case, medians of processor time on one thread.
    """

    speeds: Speeds
    seconds: tuple[float, ...]


def measured(
    seed: int, repeats: int, shapes: Sequence[Shape], blocks: Sequence[Block] = BLOCKS
) -> Times:
    """Time every case, the blocks of a size in turns, so that a busy machine slows all alike."""
    speeds = speeds_of()
    seconds: list[float] = []
    for shape in shapes:
        steps = {block.name: step_of(block, shape, seed) for block in blocks}
        timed = compare(steps, repeats=repeats, warmup=1)
        seconds += [timed[block.name].seconds for block in blocks]
    return Times(speeds, tuple(seconds))
