"""Exercises on cost that ask for a function: the roofline, another order, a softmax in blocks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "closing/cost"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Tensor | float | int]]

# 1. The roofline -------------------------------------------------------------------------


def _blocks(count: int, rate: float, bandwidth: float) -> Draw:
    """Draws blocks on both sides of the machine's balance."""

    def draw(generator: torch.Generator) -> dict[str, Tensor | float | int]:
        moved = 1e6 * (1 + 9 * torch.rand(count, generator=generator, dtype=torch.float64))
        away = 0.3 + torch.rand(count, generator=generator, dtype=torch.float64)
        sides = torch.where(torch.arange(count) % 2 == 0, -away, away)
        products = moved * rate / bandwidth * 10**sides
        return {"products": products, "moved": moved, "rate": rate, "bandwidth": bandwidth}

    return draw


@recipe
def _least(
    arithmetic: Function = lambda products, rate: products / rate,
    memory: Function = lambda moved, bandwidth: moved / bandwidth,
    together: Function = torch.maximum,
) -> Function:
    """The bound, with one step changed by each argument."""

    def least(products: Tensor, moved: Tensor, rate: float, bandwidth: float) -> Tensor:
        return together(arithmetic(products, rate), memory(moved, bandwidth))

    return least


LEAST = FunctionExercise(
    chapter=CHAPTER,
    name="least_seconds",
    title="The roofline as a function",
    level=1,
    task="Write `least_seconds(products, moved, rate, bandwidth)`: from products and bytes of "
    "several blocks, both (n,), and the speeds of a machine to the least seconds of each, (n,).",
    hints=(
        "Each speed gives one time for each block: what is divided by what?",
        "Both run at the same time at best. So which of the two has to be waited for?",
        "`torch.maximum` compares two tensors number by number.",
    ),
    explanation="Below the balance of the machine the bytes decide, above it the products.",
    reference=_least(),
    alternatives=(
        lambda products, moved, rate, bandwidth: torch.where(
            products / moved > rate / bandwidth, products / rate, moved / bandwidth
        ),
        lambda products, moved, rate, bandwidth: (
            products / torch.minimum(torch.full_like(moved, rate), bandwidth * products / moved)
        ),
    ),
    cases=(
        Case("one core", _blocks(6, 1e11, 4e10)),
        Case("a machine with little bandwidth", _blocks(5, 1e12, 1e10)),
        Case("one block", _blocks(1, 5e10, 4e10)),
    ),
    gradients=(),
    tolerance=Tolerance(relative=1e-6, absolute=0.0),
    misconceptions=(
        Misconception(
            "a sum in place of the greater",
            "Arithmetic and memory work at the same time. A bound may not add what may overlap.",
            _least(together=torch.add),
        ),
        Misconception(
            "the smaller of the two",
            "A step is done when both are done: it waits for the greater.",
            _least(together=torch.minimum),
        ),
        Misconception(
            "arithmetic alone",
            "That is the belief that this chapter is about: blocks of few products wait for bytes.",
            _least(together=lambda a, m: a),
        ),
        Misconception(
            "memory alone",
            "Blocks with many products for each byte wait for the products.",
            _least(together=lambda a, m: m),
        ),
        Misconception(
            "two operations for a multiply-add",
            "The rate counts multiply-adds, and so do the products: no factor of two.",
            _least(arithmetic=lambda products, rate: 2 * products / rate),
        ),
        Misconception(
            "four bytes for a byte",
            "moved counts bytes already. The factor 4 belongs to a count of float32 numbers.",
            _least(memory=lambda moved, bandwidth: 4 * moved / bandwidth),
        ),
        Misconception(
            "speeds in each other's place",
            "Products go with the rate, bytes with the bandwidth.",
            lambda products, moved, rate, bandwidth: torch.maximum(
                products / bandwidth, moved / rate
            ),
        ),
        Misconception(
            "a rate in place of a time",
            "What you have is multiply-adds a second. Divide the products by it.",
            lambda products, moved, rate, bandwidth: torch.minimum(
                torch.full_like(moved, rate), bandwidth * products / moved
            ),
        ),
    ),
)

# 2. Another order of the same products ---------------------------------------------------


def _tokens(b: int, n: int, d: int, c: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor | float | int]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"q": randn(b, n, d), "k": randn(b, n, d), "v": randn(b, n, c)}

    return draw


@recipe
def _read(
    divide: Function = lambda y, n, d: y / n,
    inner: Function = lambda k, v: k.mT @ v,
    outer: Function = lambda q, memory: q @ memory,
) -> Function:
    """Dot-product attention in the cheap order, with one step changed by each argument."""

    def read(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return divide(outer(q, inner(k, v)), q.shape[1], q.shape[2])

    return read


REASSOCIATE = FunctionExercise(
    chapter=CHAPTER,
    name="dot_product",
    title="Dot-product attention without its map",
    level=2,
    task="Write `dot_product(q, k, v)`: Q Kᵀ V / n for q and k, (b, n, d), and v, (b, n, c), with "
    "no tensor of n × n numbers on the way, in 2 n d c multiply-adds an image; the check "
    "counts.",
    hints=(
        "There is no softmax between the two products. Which brackets may you then move?",
        "Kᵀ V has d × c numbers, whatever n is.",
        "`q @ (k.mT @ v) / q.shape[1]`.",
    ),
    explanation="The cost falls from n²(d + c) to 2ndc multiply-adds. With a softmax in between "
    "the brackets may not be moved.",
    reference=_read(),
    alternatives=(
        lambda q, k, v: (
            torch.einsum("bnd,bdc->bnc", q, torch.einsum("bmd,bmc->bdc", k, v)) / len(q[0])
        ),
        lambda q, k, v: q @ (k.transpose(1, 2) @ (v / v.shape[1])),
    ),
    most=lambda given: given["q"].shape[1] ** 2 - 1,
    products=lambda given: 2 * given["q"].numel() * given["v"].shape[2],
    cases=(
        Case("many positions", _tokens(2, 24, 3, 4)),
        Case("one image", _tokens(1, 9, 5, 2)),
        Case("as many positions as channels", _tokens(2, 4, 4, 4)),
        Case("one position", _tokens(3, 1, 2, 3)),
    ),
    properties=(
        Property("the result has the shape of v", lambda given, y: y.shape == given["v"].shape),
    ),
    misconceptions=(
        Misconception(
            "a missing 1/n",
            "Divide by the number of positions: it takes the place of the softmax's sum.",
            _read(divide=lambda y, n, d: y),
        ),
        Misconception(
            "a division by the width",
            "n counts positions, the middle axis. You divide by d.",
            _read(divide=lambda y, n, d: y / d),
        ),
        Misconception(
            "a scale of the dot product",
            "√d belongs in front of a softmax. Here the sum is divided by n.",
            _read(divide=lambda y, n, d: y / d**0.5),
        ),
        Misconception(
            "a division by the width of v",
            "n counts positions, the middle axis. You divide by c, the last axis of v.",
            lambda q, k, v: q @ (k.mT @ v) / v.shape[2],
        ),
        Misconception(
            "a division by the number of images",
            "n counts positions, the middle axis. You divide by b, the images.",
            lambda q, k, v: q @ (k.mT @ v) / q.shape[0],
        ),
        Misconception(
            "a division by n twice",
            "Once is enough: the sum runs over n keys.",
            _read(divide=lambda y, n, d: y / n**2),
        ),
        Misconception(
            "a softmax that was kept",
            "With a softmax the brackets may not be moved: that is another function.",
            lambda q, k, v: (q @ k.mT).softmax(dim=2) @ v,
            (_read(inner=lambda k, v: k.softmax(dim=1).mT @ v),),
        ),
        Misconception(
            "q and k in each other's place",
            "Each query reads: the rows of the result belong to q.",
            lambda q, k, v: k @ (q.mT @ v) / q.shape[1],
        ),
        Misconception(
            "one memory for the whole batch",
            "Your Kᵀ V is summed over the images. Each image has its own.",
            _read(inner=lambda k, v: torch.einsum("bnd,bnc->dc", k, v)),
        ),
    ),
)
